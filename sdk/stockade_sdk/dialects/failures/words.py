"""The words by which vendors say what went wrong, sorted by what it was; English and Chinese.

Collected from recorded answers, vendors' error pages and issue threads; matched against codes
and message together, in lower case (twice as fast as a search that ignores case). Where two fit,
``failures`` decides by the order in which it asks. A gap between two words of a pattern is bounded,
so that the time to search is linear.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import re


class _AnyOf:
    """Patterns of which one must be found. Compiled at first use: most workers never see an error,
    and all of them together take as long to compile as the rest of the dialect to import.
    """

    __slots__ = ("_compiled", "_patterns")

    def __init__(self, *patterns: str) -> None:
        self._patterns = patterns
        self._compiled: re.Pattern[str] | None = None

    def search(self, text: str) -> re.Match[str] | None:
        """The first place where one of them is in ``text``, which is in lower case."""
        if self._compiled is None:
            import re

            self._compiled = re.compile("|".join(self._patterns))
        return self._compiled.search(text)


_GAP: Final = r"(?:[^.!?;]|[.!?](?=\S)){0,120}?"  # within one sentence; model names have dots

MONEY: Final = _AnyOf(  # there is none, whatever the status
    r"insufficient[_ ](?:user[_ ]|account[_ ]|api[_ ])?(?:balance|funds|credits?)",
    r"insufficient_user_quota|payment required|arrearage|good standing",
    r"account balance|credit[_ ]balance|negative balance|not enough (?:balance|credits?)",
    r"balance (?:is )?(?:too low|insufficient|exhausted|not enough|depleted)",
    r"out of (?:usage )?credits|(?:requires?|add|purchase|buy) (?:more )?credits",
    r"no (?:remaining |more )?credits|prepayment credits",
    r"credits? (?:are|is|have been|has been) (?:depleted|exhausted|used up)",
    r"billing_(?:hard_limit|not_active|error)|billing hard limit|billing account",
    r"billing (?:to be|must be) enabled|billing is (?:disabled|not enabled|not active)",
    r"account is not active|blocked_api_access|please top up|top up your",
    r"freetieronly|free allocated quota|free quota .{0,40}exhausted",
    r"余额不足|余额已|账户余额|欠费|充值|无可用资源包|额度(?:不足|已)",
)
CAP: Final = _AnyOf(  # an agreed sum is used up; with 402 some call a window so
    r"spend(?:ing)?[_ ](?:limit|cap)|api usage limits|usage limits? (?:exceeded|reached)",
    r"usage limit for this billing|key limit exceeded|key_limit_exceeded",
    r"monthly (?:usage |api )?(?:limit|quota)|limited to \d+ .{0,40}(?:/|per|a) ?month",
)
USED_UP: Final = _AnyOf(  # a quota: of money, unless the same words name a window of time
    r"insufficient[_ ]quota|exceeded_current_quota|exceeded your current (?:token )?quota",
    r"quota[_ ](?:has been |was )?exceeded|exceed(?:ed|s) (?:the |your )?(?:\w+ )?quota",
    r"out of quota|plan and billing|billing details|配额(?:不足|已|超)",
)
WINDOW: Final = _AnyOf(
    r"resource_exhausted|per[ _-]?(?:second|minute|hour|day)|throttl|rate[_ -]?limit",
    r"(?:try again|retry) (?:in|after) \d",
)
PASSING: Final = _AnyOf(  # what a 402 says where waiting helps
    r"try again|retry (?:in|after)|(?:hourly|daily|weekly|monthly) .{0,30}limit|temporar|稍后",
    r"resets? (?:at|in|on)",
)
RATE: Final = _AnyOf(
    r"ratelimit|(?<![a-z])rate[_ -]limit|too[_ ]many[_ ]requests|throttl|slow[_ ]down",
    r"(?:tokens|requests|calls|images) per (?:sec|min|hour|day)|api calls ?/ ?min",
    r"ratequota|allocationquota|burst[_ ]?rate|rate (?:increased|exceeded)|call rate",
    r"max_organization_concurrency|concurren(?:t|cy) (?:requests? )?limit|max concurrency",
    r"(?<![a-z])(?:rpm|tpm|rps|tps|rpd|tpd)(?![a-z])|quota[_ ]exceeded",
    r"限流|限速|请求过于频繁|访问过于频繁|频率|请求过多|请求数过多|并发(?:数|量|请求)?(?:过高|过多|超|达)",
    r"速率限制|调用频次",
)
OVERLOADED: Final = _AnyOf(
    r"overloaded|(?:at|over|no) capacity|(?<!tier )capacity[_ ]exceeded|insufficient capacity",
    r"server (?:is )?(?:too )?busy|service_?unavailable|temporarily unavailable|^unavailable\b",
    r"(?:high|heavy) (?:demand|load|traffic)|is (?:currently )?loading|model_loading",
    r"过载|繁忙|负载过高|访问量过大|服务(?:暂时|暂)?不可用",
)
CONTEXT: Final = _AnyOf(
    r"context_length_exceeded|context[_ ](?:length|window|limit|size|overflow)|maximum context",
    r"max_model_len|maximum (?:input|prompt|sequence) length|input tokens exceeded",
    r"string_above_max_length\W.{0,80}?(?:messages\[\d|input|prompt)|too_many_tokens",
    r"(?:prompt|input|request|conversation|message)(?:s| length| token length)? (?:is |are )?"
    r"too long",
    r"too many (?:input |prompt )?tokens(?! per)|(?:input|prompt) tokens exceeds?",
    r"exceeds? (?:the |your )?(?:model(?:'s)? )?(?:maximum )?(?:number of )?"
    r"(?:token limit|tokens? allowed|input tokens)",
    r"exceed(?:ed|s)? (?:the )?model token limit|range of input length|token count .{0,40}exceeds",
    r"reduce the length of (?:the messages|either|your|the prompt|the input)",
    r"prompt contains .{0,80}too large for model",
    r"上下文(?:过长|超|长度|窗口)|超[出过].{0,12}(?:上下文|最大长度|token)|输入长度|长度超[出过]",
    r"(?:输入|prompt) ?(?:内容|文本)?[过超]长",
)
FILTER: Final = _AnyOf(
    r"content[_ ]filter|content management policy|content_policy|responsibleaipolicy",
    r"data_?inspection_?failed|inappropriate content|safety (?:system|filter|settings)",
    r"flagged (?:by|as|for)|(?:was|were|been|is) flagged|requires moderation|moderation_blocked",
    r"considered high risk|prohibited_content|guardrail|prompt injection|jailbreak",
    r"violat\w{1,4} (?:our |the )?(?:usage|content|safety) (?:guideline|polic)|usage policy",
    r"内容安全|内容审核|安全审核|敏感|违规|不安全|不当内容|违反.{0,10}(?:政策|法律|规定)",
)
ACCOUNT: Final = _AnyOf(  # the account is refused, not what it asked
    r"(?:account|organi[sz]ation|project|workspace) (?:was|has been|is) "
    r"(?:flagged|disabled|deactivated|terminated|suspended|restricted|banned|blocked)",
    r"access_terminated|organization_restricted|resource has been temporarily blocked",
)
REGION: Final = _AnyOf(
    r"unsupported_country|unsupported countries|location is not supported",
    r"(?:country|region|territory) .{0,30}not supported",
    r"not (?:available|servable|supported) in (?:your |this |the )?(?:country|region|territory)",
    r"(?:国家|地区|区域).{0,10}(?:不支持|不可用|无法使用|受限)",
)
UNSUPPORTED: Final = _AnyOf(
    r"unsupported_(?:parameter|value|content|operation)|operationnotsupported",
    r"not supported (?:with|by|for|in) th(?:is|e) (?:model|deployment)",
    r"(?:model|deployment) does ?n[o']t support|no endpoints found that support",
    r"does(?: not|n't) support (?:tools?|function|images?|image input|vision|audio|video|stream)",
    r"does not work with the specified model",
    r"不支持(?:该|此)?(?:功能|参数|图片|图像|工具|流式|函数|音频|视频)",
)
AUTH: Final = _AnyOf(
    r"(?:invalid|incorrect)[_ ]?(?:x-)?api[-_ ]?key|api key (?:is )?(?:not valid|invalid|expired)",
    r"api_key_invalid|api key (?:was |has been |is )?(?:reported|revoked|disabled|blocked|deleted)",
    r"make sure your api key|(?:missing|no) api key|didn't provide an api key",
    r"invalid[_ ]authentication|authentication_?error|authentication fail|unauthenticated",
    r"failed to authenticate|not authenticated|unauthorized|no (?:cookie )?auth credentials",
    r"no credentials|credentials_missing|invalid credentials|security token",
    r"invalid (?:access|auth|bearer) token|(?:access|auth) token (?:has |is )?expired",
    r"unrecognizedclient|invalidsignature|incompletesignature|expiredtoken|request signature we",
    r"(?:密钥|令牌|api ?key).{0,6}(?:无效|错误|不正确|过期|不存在|失效)|无效的?(?:密钥|令牌|api)",
    r"鉴权失败|认证失败|身份验证|未授权",
)
MODEL: Final = _AnyOf(
    r"model_not_found|deploymentnotfound|model_not_active|model_decommissioned|model_terms",
    r"model_not_supported|invalid[_ ]model|unknown[_ ]model|model_deprecated|modelnotfound",
    r"model_permission_blocked|servicemodeldeprecat|model\.?accessdenied|unsupported_?model",
    rf"models?\W{_GAP}(?:does not exist|not found|not exist|no longer available|is deprecated"
    r"|(?:has been|was|is being) (?:decommissioned|deprecated|removed|retired|shut down|disabled)"
    r"|end of (?:its )?life|is not (?:available|a valid model|supported(?! (?:with|by|for|in) th))"
    r"|identifier is invalid|in deprecation|is blocked at|or it may not exist|on-demand throughput"
    r"|requires terms|use case details)",
    r"(?:does not|do not|don't) have access to (?:the |this )?model",
    r"access to (?:the )?model denied|model access denied|not allowed to use publisher model",
    r"not found the model",
    r"not a valid model|no such model|no endpoints found|no available model provider",
    r"no allowed providers|deployment .{0,60}does not exist|inference profile",
    r"not_found_error\W.{0,40}?model:|not_found_error\W.{0,120}is not available",
    r"模型.{0,40}?(?:不存在|未找到|找不到|已下线|不可用|已弃用|无权)|(?:找不到|不存在的|无此|无效的?)模型",
)
PERMISSION: Final = _AnyOf(r"permissions?_(?:error|denied)|没有权限|无权")
URL: Final = _AnyOf(
    r"(?:invalid|unknown|unrecognized) (?:request )?url|unknown_url|no route matched|url not found"
)
TIMEOUT: Final = _AnyOf(r"timed? ?-?out|timeout|deadline|超时")
CONNECTING: Final = _AnyOf(
    r"connect(?:ion|ing)?(?: attempt)? timed? ?out|connect ?timeout|etimedout"
)
NETWORK: Final = _AnyOf(
    r"econn(?:reset|refused|aborted)|ehost(?:down|unreach)|enet(?:down|unreach|reset)|epipe",
    r"enotfound|eai_again|network (?:error|connection|is unreachable|failure)|socket hang ?up",
    r"connection (?:was |has been )?(?:reset|refused|aborted|closed|lost|broken|error|failed)",
    r"fetch failed|broken pipe|no route to host|name resolution|getaddrinfo|dns (?:error|lookup)",
    r"(?:server|peer|remote end|upstream|provider) (?:disconnected|closed)|connecterror",
    r"certificate verify failed|(?:ssl|tls)[ _](?:handshake|error)|incomplete (?:chunked )?read",
    r"网络(?:错误|异常|连接|中断|故障)|连接(?:失败|被?重置|中断|被?拒绝|断开|异常)",
)
INVALID: Final = _AnyOf(
    r"invalid_?(?:request|value|parameter|argument)|bad_?request|validation_?error|invalid_prompt",
    r"request_too_large|not_found_error|failed_precondition",
    r"must be (?:at least|at most|greater|less|positive|between|one of|an? )",
    r"参数(?:错误|无效|不合法|非法)|无效的?参数|请求参数",
)
STATUS: Final = _AnyOf(  # a status told in words; "429 tokens" and "max 429" are none
    r"(?:^|\bhttp(?:/\d(?:\.\d)?)?[ :]{1,2}|\bstatus(?:[ _-]?code)?\W{1,3}|\berror code\W{1,3})"
    r"(?P<status>[45]\d\d)(?![\d.,%]|\w| ?(?:tokens?|bytes?|char|ms\b|seconds?|requests?|messages?"
    r"|items?|models?|[km]i?b\b))",
)
