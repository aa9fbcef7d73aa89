"""What vendors' errors mean: each trap beside the like of it that means something else."""

import pytest

from stockade_sdk import TimeoutPhase
from stockade_sdk.dialects.failures import classify_error


def said(message="no", code=None, type=None, **more):
    return {"error": {"message": message, "code": code, "type": type, **more}}


def google(message, status, *details):
    return {"error": {"message": message, "status": status, "details": list(details)}}


RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "3s"}
CURRENT = "You exceeded your current quota, please check your plan and billing details."

MONEY = [
    (429, said(CURRENT, "insufficient_quota", "insufficient_quota"), "quota"),
    (429, said("Organization spend limit reached", "organization_spend_limit_exceeded"), "quota"),
    (429, said("none left", "credit_balance_exhausted", "insufficient_quota"), "quota"),
    (429, said("Your account is not active, please check your billing details"), "quota"),
    (400, said("Your credit balance is too low to access the API."), "quota"),
    (400, said("You have reached your specified API usage limits."), "quota"),
    (400, said("", "blocked_api_access"), "quota"),
    (403, google("This API method requires billing to be enabled.", "PERMISSION_DENIED"), "quota"),
    (403, said("insufficient balance", type="permission_denied_error"), "quota"),
    (403, said("Free allocated quota exceeded.", "AllocationQuota.FreeTierOnly"), "quota"),
    (429, google("Your prepayment credits are depleted.", "RESOURCE_EXHAUSTED"), "quota"),
    (429, google("It has exceeded its monthly spending cap.", "RESOURCE_EXHAUSTED"), "quota"),
    (429, google(CURRENT, "RESOURCE_EXHAUSTED", RETRY), "rate_limited"),
    (429, google(CURRENT, "RESOURCE_EXHAUSTED"), "rate_limited"),
    (429, [google(CURRENT, "RESOURCE_EXHAUSTED")], "rate_limited"),
    (429, said("You are limited to 10 API calls / minute with a trial key"), "rate_limited"),
    (429, said("You are limited to 1000 API calls / month with a trial key"), "quota"),
    (429, said("余额不足或无可用资源包,请充值。", "1113"), "quota"),
    (400, said("账户已欠费"), "quota"),
    (402, "", "quota"),
    (402, said("Insufficient Balance"), "quota"),
    (402, said("This request requires more credits, or fewer max_tokens."), "quota"),
    (402, said("quota exceeded, please add more credits"), "quota"),
    (402, said("rate limit reached for this tier"), "rate_limited"),
    (402, said("organisation usage limit, try again later"), "rate_limited"),
    (402, said("monthly spend limit reached"), "rate_limited"),
    (402, said("Your billing account has exceeded its monthly spending cap, retry"), "quota"),
    (500, said("check your account balance"), "server_error"),
    (401, said("API key usage limit reached, key disabled"), "auth"),
]

LIMITS = [
    (429, "", "rate_limited"),
    (429, said("Rate limit reached for gpt-4o on tokens per min (TPM)"), "rate_limited"),
    (413, said("too large: tokens per minute (TPM)", "rate_limit_exceeded"), "rate_limited"),
    (413, said("Request exceeds the maximum size of 32 MB."), "invalid_request"),
    (400, said("Too many requests, throttled"), "rate_limited"),
    (400, {"message": "too many tokens: size limit exceeded by 9 tokens."}, "context_length"),
    (400, said("separate limits apply to this field"), "invalid_request"),
    (400, said("max 429 tokens"), "invalid_request"),
    (400, said("429 bytes were expected, 529 came"), "invalid_request"),
    (429, said("The engine is currently overloaded", type="engine_overloaded_error"), "overloaded"),
    (429, said("Rate limit reached, the server is busy"), "rate_limited"),
    (429, said("该模型当前访问量过大,请稍后再试", "1305"), "overloaded"),
    (429, said("您的账户已达到速率限制", "1302"), "rate_limited"),
    (400, said("请求过于频繁,请稍后再试"), "rate_limited"),
    (503, said("Slow down: rate limit reached"), "rate_limited"),
    (503, said("The model is overloaded. Please try again later."), "overloaded"),
    (503, google("The model is overloaded.", "UNAVAILABLE"), "overloaded"),
    (503, said("internal database error"), "overloaded"),
    (503, said("There is no available model provider"), "model_unavailable"),
    (529, said("Overloaded", type="overloaded_error"), "overloaded"),
    (498, said("", "capacity_exceeded"), "overloaded"),
    (502, said("Provider returned error", metadata={"raw": "overloaded"}), "server_error"),
]

KEYS = [
    (401, "", "auth"),
    (401, "<html>Unauthorized</html>", "auth"),
    (400, google("API key not valid. Please pass a valid API key.", "INVALID_ARGUMENT"), "auth"),
    (400, google("no", "INVALID_ARGUMENT", {"reason": "API_KEY_INVALID"}), "auth"),
    (400, google("bad request", "INVALID_ARGUMENT"), "invalid_request"),
    (400, {"code": "invalid-argument", "error": "Incorrect API key provided."}, "auth"),
    (400, {"code": "invalid-argument", "error": "Incorrect tool provided."}, "invalid_request"),
    (403, google("Your API key was reported as leaked.", "PERMISSION_DENIED"), "auth"),
    (403, said("no access", type="permission_error"), "auth"),
    (403, said("Access denied due to Virtual Network/Firewall rules."), "auth"),
    (403, said("Your account was flagged for potential abuse."), "auth"),
    (400, said("Organization has been restricted.", "organization_restricted"), "auth"),
    (403, {"message": "The security token included in the request is expired"}, "auth"),
    (400, said("Invalid token in prompt: 123456."), "invalid_request"),
    (400, {"code": "InvalidApiKey", "message": "no"}, "auth"),
    (400, said("密钥无效"), "auth"),
]

CONTENT = [
    (403, said("Your chosen model requires moderation and your input was flagged"), "filter"),
    (403, said("no", "content_policy_violation"), "filter"),
    (403, said("Content blocked by guardrail"), "filter"),
    (403, {"code": "x", "error": "Content violates usage guidelines."}, "filter"),
    (400, said("Output blocked by content filtering policy"), "filter"),
    (400, said("considered high risk", type="content_filter"), "filter"),
    (400, {"code": "DataInspectionFailed", "message": "inappropriate content"}, "filter"),
    (400, said("Your request was rejected as a result of our safety system."), "filter"),
    (400, said("输入内容包含敏感信息"), "filter"),
    (400, said("moderation must be one of auto, low"), "invalid_request"),
]

MODELS = [
    (404, said("model: claude-sonet-4-5", type="not_found_error"), "model"),
    (404, said("Claude X is not available. Please use Y.", type="not_found_error"), "model"),
    (404, {"message": "model 'command-r' was removed on September 15, 2025."}, "model"),
    (404, said("No endpoints found for anthropic/claude-3.7-sonnet:thinking."), "model"),
    (404, said("No endpoints found that support tool use."), "unsupported"),
    (404, said("Not found the model kimi-x or Permission denied"), "model"),
    (404, google("models/g-1.5 is not found for API version v1beta", "NOT_FOUND"), "model"),
    (404, said("Invalid URL (POST /v1/chat/completion)"), "invalid_request"),
    (404, said("Unknown request URL: POST /openai/v1/models", "unknown_url"), "invalid_request"),
    (404, said("No response found", type="invalid_request_error"), "invalid_request"),
    (404, "no such path", "unknown"),
    (404, "", "unknown"),
    (404, "<html><title>404 Not Found</title></html>", "unknown"),
    (404, {"detail": "Not Found"}, "unknown"),
    (405, {"detail": "Method Not Allowed"}, "unknown"),
    (410, "", "model"),
    (400, {"message": "The provided model identifier is invalid."}, "model"),
    (400, {"code": "InvalidParameter", "message": "Model not exist."}, "model"),
    (400, said("The model `m` has been decommissioned", "model_decommissioned"), "model"),
    (400, said("Invalid model: mistral-medium-3.5", type="invalid_model"), "model"),
    (403, said("Project `p` does not have access to model `gpt-5.2`"), "model"),
    (403, google("denied on resource '//x/models/g' (or it may not exist).", "X"), "model"),
    (400, said("模型不存在"), "model"),
    (403, said("not supported", "unsupported_country_region_territory"), "model"),
    (
        400,
        google("User location is not supported for the API use.", "FAILED_PRECONDITION"),
        "model",
    ),
    (400, google("not available in your country. Please enable billing", "X"), "model"),
    (400, {"message": "This model doesn't support the video content block"}, "unsupported"),
    (400, said("'stop' is not supported with this model.", "unsupported_parameter"), "unsupported"),
]

LENGTHS = [
    (400, said("prompt is too long: 277403 tokens > 200000 maximum"), "context"),
    (400, said("input length and `max_tokens` exceed context limit: 1 + 2 > 2"), "context"),
    (400, said("x", "context_length_exceeded"), "context"),
    (
        400,
        google("The input token count (9) exceeds the maximum number of tokens allowed", "X"),
        "context",
    ),
    (400, said("Range of input length should be [1, 129024]"), "context"),
    (400, said("Input token length too long"), "context"),
    (400, said("Your request exceeded model token limit : 9"), "context"),
    (400, said("'messages[0].content': string too long.", "string_above_max_length"), "context"),
    (400, said("'tools[0].name': string too long.", "string_above_max_length"), "invalid_request"),
    (400, {"message": "Input is too long for requested model."}, "context"),
    (500, said("the request exceeds the available context size"), "context"),
    (400, said("上下文过长"), "context"),
    (400, said("输入长度超过模型限制"), "context"),
    (400, said("max_tokens must be at least 1, got -1024"), "invalid_request"),
    (
        400,
        said("max_tokens: 9 > 8, the maximum allowed number of output tokens"),
        "invalid_request",
    ),
    (400, said("image exceeds 5 MB maximum: 5316852 bytes > 5242880 bytes"), "invalid_request"),
    (413, said("Payload too large"), "invalid_request"),
]

OTHERS = [
    (400, said("Timeout while downloading the image", "invalid_image_url"), "invalid_request"),
    (408, said("Your request timed out"), "timeout"),
    (504, "", "timeout"),
    (522, "<html>Connection timed out</html>", "timeout"),
    (524, "", "timeout"),
    (520, "<html>Web server is returning an unknown error</html>", "server_error"),
    (521, "<html>Web server is down</html>", "server_error"),
    (525, "", "server_error"),
    (500, said("boom", type="server_error"), "server_error"),
    (501, "", "unsupported"),
    (407, "", "network"),
    (424, {"message": "the model failed"}, "server_error"),
    (422, {"detail": [{"loc": ["body", "x"], "msg": "Field required"}]}, "invalid_request"),
]

WITHOUT_STATUS = [
    ("rate limit exceeded", "rate_limited"),
    ("HTTP 429 Too Many Requests", "rate_limited"),
    ("413 tokens per minute", "rate_limited"),
    ("Error code: 401 - {'error': 'x'}", "auth"),
    ("Request failed with status code 503", "overloaded"),
    ("insufficient funds", "quota"),
    ("余额不足", "quota"),
    ("invalid api key", "auth"),
    ("prompt is too long: 277403 tokens > 200000", "context"),
    ("max_tokens must be at least 1, got -1024", "invalid_request"),
    ("The model `x` does not exist", "model"),
    ("model is overloaded", "overloaded"),
    ("request timed out", "timeout"),
    ("请求超时", "timeout"),
    ("network connection reset", "network"),
    ("socket hang up", "network"),
    ("getaddrinfo ENOTFOUND api.example.com", "network"),
    ("网络异常", "network"),
    ("unhandled stop reason: error", "server_error"),
    ("the answer has 503 words", "server_error"),
]

SHORT = {"model": "model_unavailable", "filter": "content_filter", "context": "context_length"}
TABLE = [*MONEY, *LIMITS, *KEYS, *CONTENT, *MODELS, *LENGTHS, *OTHERS]


@pytest.mark.parametrize(("status", "body", "kind"), TABLE)
def test_an_error_is_what_its_status_and_words_say_together(status, body, kind):
    assert classify_error(status, {}, body).kind == SHORT.get(kind, kind)


@pytest.mark.parametrize(("message", "kind"), WITHOUT_STATUS)
def test_words_alone_are_enough_where_there_is_no_status(message, kind):
    kind = SHORT.get(kind, kind)

    assert classify_error(None, None, said(message)).kind == kind
    assert classify_error(None, None, message).kind == kind
    assert classify_error(200, None, said(message)).kind == kind


@pytest.mark.parametrize(
    ("type", "kind"),
    [
        ("overloaded_error", "overloaded"),
        ("rate_limit_error", "rate_limited"),
        ("authentication_error", "auth"),
        ("permission_error", "auth"),
        ("billing_error", "quota"),
        ("timeout_error", "timeout"),
        ("invalid_request_error", "invalid_request"),
        ("request_too_large", "invalid_request"),
        ("api_error", "server_error"),
        ("ECONNRESET", "network"),
        ("EHOSTDOWN", "network"),
        ("ETIMEDOUT", "timeout"),
        ("UNAVAILABLE", "overloaded"),
        ("UNAUTHENTICATED", "auth"),
        ("DEADLINE_EXCEEDED", "timeout"),
        ("INTERNAL", "server_error"),
    ],
)
def test_an_error_inside_a_stream_goes_by_the_word_it_carries(type, kind):
    assert classify_error(None, None, said("no", type=type)).kind == kind


@pytest.mark.parametrize(
    ("provider", "kind"), [("qwen", "rate_limited"), ("openai", "quota"), ("", "quota")]
)
def test_alibaba_means_tokens_a_minute_where_others_mean_money(provider, kind):
    body = said(CURRENT, "insufficient_quota", "insufficient_quota")

    assert classify_error(429, {}, body, provider=provider).kind == kind


def test_alibaba_means_money_by_a_debt():
    body = said("Access denied, make sure your account is in good standing.", "Arrearage")

    assert classify_error(400, {}, body, provider="qwen").kind == "quota"


def test_the_exception_that_aws_names_in_a_header_counts():
    body = {"message": "wait"}

    error = classify_error(400, {"x-amzn-ErrorType": "ThrottlingException:http://x/"}, body)

    assert (error.kind, error.code) == ("rate_limited", "ThrottlingException")


@pytest.mark.parametrize(
    ("status", "message", "phase"),
    [
        (504, "", TimeoutPhase.TOTAL),
        (522, "", TimeoutPhase.CONNECT),
        (None, "connection timed out", TimeoutPhase.CONNECT),
        (None, "request timed out", TimeoutPhase.TOTAL),
        (None, "connection reset", None),
    ],
)
def test_a_timeout_says_which_wait_ran_out(status, message, phase):
    assert classify_error(status, {}, said(message)).phase is phase


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (google("no", "INVALID_ARGUMENT"), "INVALID_ARGUMENT"),
        (
            {"error": {"code": 429, "message": "no", "status": "RESOURCE_EXHAUSTED"}},
            "RESOURCE_EXHAUSTED",
        ),
        ({"error": {"code": 429, "message": "no"}}, "429"),
        ({"code": "invalid-argument", "error": "no"}, "invalid-argument"),
        ({"type": "error", "error": {"type": "api_error", "message": "no"}}, "api_error"),
        ({"error": "no"}, None),
    ],
)
def test_the_code_is_the_vendors_word_and_a_number_only_without_one(body, code):
    assert classify_error(400, {}, body).code == code


@pytest.mark.parametrize(
    ("headers", "said"),
    [({}, None), ({"X-Should-Retry": "false"}, False), ({"x-should-retry": "true"}, True)],
)
def test_what_the_vendor_says_of_asking_again_is_kept(headers, said):
    assert classify_error(500, headers, "").retryable is said


@pytest.mark.parametrize(
    ("headers", "body", "id"),
    [
        ({"request-id": "req_1"}, {"request_id": "req_2"}, "req_1"),
        ({"X-Request-Id": "req_1"}, "", "req_1"),
        ({}, {"error": {"message": "no"}, "request_id": "req_2"}, "req_2"),
        ({}, {"error": {"message": "no", "request_id": "req_3"}}, "req_3"),
        ({"x-request-id": "a\x1b[31m"}, "", None),
        ({"x-request-id": "a" * 1000}, "", None),
        ({}, {"request_id": ["req_4"], "message": "no"}, None),
    ],
)
def test_the_vendors_name_for_the_request_is_kept(headers, body, id):
    assert classify_error(500, headers, body).request_id == id
