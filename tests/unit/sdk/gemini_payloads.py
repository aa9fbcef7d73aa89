"""Requests of Google's wire for tests: one for every way of saying something."""

import base64

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n0000").decode()
SOUND = base64.b64encode(b"RIFF0000WAVE").decode()


def turns(*contents, **more):
    return {"contents": list(contents), **more}


def user(*parts, **more):
    return turns({"role": "user", "parts": list(parts)}, **more)


def config(**generation):
    return user({"text": "hi"}, generationConfig=generation)


def declared(**declaration):
    return user({"text": "hi"}, tools=[{"functionDeclarations": [declaration]}])


def call(name="f", args=None, **more):
    return {"functionCall": {"name": name, "args": args or {}, **more}}


def result(name="f", response=None, **more):
    return {"functionResponse": {"name": name, "response": response or {"output": "1"}, **more}}


ASK = {"role": "user", "parts": [{"text": "go"}]}

PAYLOADS = {
    "one text": user({"text": "hi"}),
    "empty text": user({"text": ""}),
    "several texts": user({"text": "a"}, {"text": "b"}),
    "no parts": turns({"role": "user", "parts": []}),
    "parts that are missing": turns({"role": "user"}),
    "parts as one object": turns({"role": "user", "parts": {"text": "hi"}}),
    "contents as one object": {"contents": {"role": "user", "parts": [{"text": "hi"}]}},
    "no role": turns({"parts": [{"text": "hi"}]}),
    "empty role": turns({"role": "", "parts": [{"text": "hi"}]}),
    "system": user({"text": "hi"}, systemInstruction={"parts": [{"text": "be brief"}]}),
    "system with a role": user(
        {"text": "hi"}, systemInstruction={"role": "user", "parts": [{"text": "be brief"}]}
    ),
    "system as one part in snake case": user(
        {"text": "hi"}, system_instruction={"parts": {"text": "be brief"}}
    ),
    "system among the turns": turns({"role": "system", "parts": [{"text": "be brief"}]}, ASK),
    "system of nothing": user({"text": "hi"}, systemInstruction=None),
    "image": user({"inlineData": {"mimeType": "image/png", "data": PNG}}),
    "image in snake case": user({"inline_data": {"mime_type": "image/png", "data": PNG}}),
    "image in mixed case": user({"inlineData": {"mime_type": "image/png", "data": PNG}}),
    "image without a type": user({"inlineData": {"data": PNG}}),
    "image without padding": user({"inlineData": {"mimeType": "image/png", "data": "iVBORw0"}}),
    "image in url-safe base64": user({"inlineData": {"mimeType": "image/png", "data": "_-8="}}),
    "image with a resolution": user(
        {
            "inlineData": {"mimeType": "image/png", "data": PNG},
            "mediaResolution": {"level": "MEDIA_RESOLUTION_HIGH"},
        }
    ),
    "sound": user({"inlineData": {"mimeType": "audio/x-wav", "data": SOUND}}),
    "raw sound": user(
        {"inlineData": {"mimeType": "audio/L16;codec=pcm;rate=24000", "data": "AAA="}}
    ),
    "document": user({"inlineData": {"mimeType": "application/pdf", "data": "AAAA"}}),
    "file of the bucket": user({"fileData": {"fileUri": "gs://b/a.png", "mimeType": "image/png"}}),
    "file without a type": user({"file_data": {"file_uri": "https://a.example/a"}}),
    "file of another kind": user({"fileData": {"fileUri": "ftp://a.example/a"}}),
    "video cut": user(
        {
            "fileData": {"fileUri": "https://youtu.be/x"},
            "videoMetadata": {"startOffset": "1s", "endOffset": "9s", "fps": 2},
        }
    ),
    "unknown part": user({"somethingNew": {"a": 1}, "thoughtSignature": "c2ln"}),
    "signature alone": turns(ASK, {"role": "model", "parts": [{"thoughtSignature": "c2ln"}]}),
    "thoughts": turns(
        ASK,
        {
            "role": "model",
            "parts": [
                {"text": "hm", "thought": True},
                {"text": "hm again", "thought": True, "thoughtSignature": "c2ln"},
                {"text": "yes", "thought_signature": "c2ln"},
            ],
        },
    ),
    "thought picture": turns(
        ASK,
        {
            "role": "model",
            "parts": [{"inlineData": {"mimeType": "image/png", "data": PNG}, "thought": True}],
        },
    ),
    "code that ran": turns(
        ASK,
        {
            "role": "model",
            "parts": [
                {"executableCode": {"language": "PYTHON", "code": "1"}},
                {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
            ],
        },
    ),
    "calls without ids": turns(
        ASK,
        {"role": "model", "parts": [call("f", {"a": 1}), call("g"), call("f", {"a": 2})]},
        {"role": "user", "parts": [result("f"), result("g"), result("f")]},
    ),
    "calls with ids out of order": turns(
        ASK,
        {"role": "model", "parts": [call("f", id="1"), call("f", id="2")]},
        {"role": "user", "parts": [result("f", id="2"), result("f", id="1")]},
    ),
    "calls under one id": turns(
        ASK,
        {"role": "model", "parts": [call("f", id="f"), call("f", id="f")]},
        {"role": "user", "parts": [result("f", id="f"), result("f", id="f")]},
    ),
    "call with an id, result without": turns(
        ASK,
        {"role": "model", "parts": [call("f", id="1")]},
        {"role": "user", "parts": [result("f")]},
    ),
    "call with a signature": turns(
        ASK,
        {"role": "model", "parts": [{**call(), "thoughtSignature": "c2ln"}, call()]},
        {"role": "user", "parts": [result(), result()]},
    ),
    "call without arguments": turns(
        ASK, {"role": "model", "parts": [{"functionCall": {"name": "f"}}]}
    ),
    "call in snake case": turns(
        ASK, {"role": "model", "parts": [{"function_call": {"name": "f", "args": {"a_b": 1}}}]}
    ),
    "results in turns of their own": turns(
        ASK,
        {"role": "model", "parts": [call("f"), call("g")]},
        {"role": "user", "parts": [result("f")]},
        {"role": "function", "parts": [result("g")]},
    ),
    "results and words in one turn": turns(
        ASK,
        {"role": "model", "parts": [call()]},
        {"role": "user", "parts": [result(), {"text": "go on"}]},
    ),
    "result that failed": turns(
        ASK,
        {"role": "model", "parts": [call()]},
        {"role": "user", "parts": [result(response={"error": "no such file"})]},
    ),
    "result of any shape": turns(
        ASK,
        {"role": "model", "parts": [call()]},
        {"role": "user", "parts": [result(response={"output": "1", "more": [1, None]})]},
    ),
    "result with pictures": turns(
        ASK,
        {"role": "model", "parts": [call()]},
        {
            "role": "user",
            "parts": [
                result(
                    response={"seen": True},
                    parts=[
                        {"inline_data": {"mime_type": "image/png", "data": PNG}},
                        {"inlineData": {"mimeType": "image/png", "data": PNG, "displayName": "a"}},
                    ],
                )
            ],
        },
    ),
    "result that answers nothing": turns({"role": "user", "parts": [result("f", id="9")]}),
    "settings": config(
        temperature=0.5,
        topP=0.9,
        topK=40.0,
        maxOutputTokens=100,
        seed=7,
        presencePenalty=0.1,
        frequencyPenalty=0.2,
        stopSequences=["a", "b"],
        candidateCount=2,
        responseModalities=["TEXT", "IMAGE"],
        speechConfig={"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}},
    ),
    "settings in snake case": user(
        {"text": "hi"},
        generation_config={
            "top_p": 0.5,
            "max_output_tokens": 5,
            "response_mime_type": "text/plain",
        },
    ),
    "settings of a strange type": config(temperature="warm", topK=0.5, stopSequences=[1]),
    "no settings": config(),
    "settings of nothing": user({"text": "hi"}, generationConfig=None, tools=None, toolConfig=None),
    "json": config(responseMimeType="application/json"),
    "json schema": config(
        responseMimeType="application/json", responseJsonSchema={"type": "object", "title": "T"}
    ),
    "google's schema": config(
        responseMimeType="application/json",
        responseSchema={
            "type": "OBJECT",
            "properties": {"a": {"type": "STRING", "nullable": True}},
            "propertyOrdering": ["a"],
        },
    ),
    "google's schema in small letters": config(
        responseMimeType="application/json", responseSchema={"type": "object"}
    ),
    "both schemas": config(
        responseMimeType="application/json", responseSchema={}, responseJsonSchema={}
    ),
    "schema without a type": config(responseSchema={"type": "OBJECT"}),
    "choice of words": config(
        responseMimeType="text/x.enum", responseSchema={"type": "STRING", "enum": ["a"]}
    ),
    "thinking level": config(thinkingConfig={"thinkingLevel": "low"}),
    "thinking level in capitals": config(
        thinkingConfig={"thinkingLevel": "HIGH", "includeThoughts": True}
    ),
    "thinking budget": config(thinkingConfig={"thinkingBudget": 2000, "includeThoughts": False}),
    "thinking budget of none": config(thinkingConfig={"thinkingBudget": 0}),
    "thinking budget of the model": config(thinkingConfig={"thinkingBudget": -1}),
    "thinking in snake case": user(
        {"text": "hi"}, generation_config={"thinking_config": {"include_thoughts": True}}
    ),
    "declaration": declared(name="f", description="", parametersJsonSchema={"type": "object"}),
    "google's parameters": declared(
        name="f", parameters={"type": "OBJECT", "properties": {"a": {"type": "INTEGER"}}}
    ),
    "parameters with numbered types": declared(
        name="f", parameters={"type": 6, "properties": {"a": {"type": 1}}}
    ),
    "declaration in snake case": user(
        {"text": "hi"},
        tools=[{"function_declarations": [{"name": "f", "parameters_json_schema": {}}]}],
    ),
    "declaration with more": declared(
        name="f", behavior="NON_BLOCKING", response={"type": "OBJECT"}
    ),
    "declaration without a name": declared(description="nameless"),
    "tools in groups": user(
        {"text": "hi"},
        tools=[
            {"functionDeclarations": [{"name": "f"}, {"name": "g"}]},
            {"googleSearch": {}},
            {"functionDeclarations": [{"name": "h"}], "codeExecution": {}},
        ],
    ),
    "built-in tools alone": user({"text": "hi"}, tools=[{"urlContext": {}}]),
    "no tools": user({"text": "hi"}, tools=[]),
    "tool choice auto": user(
        {"text": "hi"}, toolConfig={"functionCallingConfig": {"mode": "AUTO"}}
    ),
    "tool choice none": user(
        {"text": "hi"}, toolConfig={"functionCallingConfig": {"mode": "NONE"}}
    ),
    "tool choice of one": user(
        {"text": "hi"},
        tool_config={
            "function_calling_config": {"mode": "ANY", "allowed_function_names": ["f"]},
            "retrievalConfig": {"languageCode": "de"},
        },
    ),
    "tool choice of some": user(
        {"text": "hi"},
        toolConfig={"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f", "g"]}},
    ),
    "tool choice validated": user(
        {"text": "hi"}, toolConfig={"functionCallingConfig": {"mode": "VALIDATED"}}
    ),
    "everything beside": user(
        {"text": "hi"},
        model="models/m",
        safetySettings=[{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
        cachedContent="cachedContents/1",
        labels={"team": "a"},
        somethingNew={"a": None},
    ),
}
