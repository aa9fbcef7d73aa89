/* A plugin in C: what the page "The wire" says, and nothing beside it.
 *
 *     cc -O2 -Wall -static -o bin/echo worker.c
 *
 * stockade executes this inside the walls, with the host's connection as descriptor 3. It has two
 * models: "echo" says what the user said, whole or word by word; "fetch" asks the host for the URL
 * that the user wrote and says what is there. One thread, several calls at once.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HOST = 3, CALLS = 8, DEEPEST = 64, ITEM_OVERHEAD = 64 };
enum { MAX_FRAME = 16 << 20, MAX_FETCHED = 1 << 20 };

/* Frames, by their numbers. */
enum { LOAD = 1, CALL, CANCEL, CREDIT, PING, STOP, HTTP_HEAD, HTTP_BODY, HTTP_FAILED };
enum { LOADED = 21, RESULT = 23, FAILED, ITEMS, PONG, LOG, HTTP_OPEN, HTTP_CREDIT, HTTP_CLOSE };

#ifndef SAID /* What the model says to a text. */
#define SAID(text) strdup(text)
#endif

static void leave(const char *why)
{
    fprintf(stderr, "echo: %s\n", why); /* stderr is for the host's log */
    exit(1);
}

static void *room(void *old, size_t size)
{
    void *new = realloc(old, size);
    if (new == NULL)
        leave("no memory");
    return new;
}

/* ---- MessagePack, writing ------------------------------------------------------------------- */

struct out { uint8_t *data; size_t size, room; };

static void put(struct out *out, const void *data, size_t size)
{
    if (out->size + size > out->room)
        out->data = room(out->data, out->room = 2 * (out->size + size));
    memcpy(out->data + out->size, data, size);
    out->size += size;
}

/* A first octet and a number of `size` octets, the highest first. */
static void put_head(struct out *out, uint8_t first, uint64_t number, int size)
{
    put(out, &first, 1);
    while (size-- > 0) {
        uint8_t octet = (uint8_t)(number >> (8 * size));
        put(out, &octet, 1);
    }
}

static void put_array(struct out *out, unsigned count) { put_head(out, 0x90 | count, 0, 0); }
static void put_map(struct out *out, unsigned count) { put_head(out, 0x80 | count, 0, 0); }
static void put_nil(struct out *out) { put_head(out, 0xc0, 0, 0); }
static void put_bool(struct out *out, bool yes) { put_head(out, yes ? 0xc3 : 0xc2, 0, 0); }
static void put_uint(struct out *out, uint64_t number) { put_head(out, 0xcf, number, 8); }

static void put_text(struct out *out, const char *text, size_t size)
{
    put_head(out, 0xdb, size, 4);
    put(out, text, size);
}

static void put_word(struct out *out, const char *word) { put_text(out, word, strlen(word)); }

/* ---- MessagePack, reading ------------------------------------------------------------------- */

struct in { const uint8_t *at, *end; };
enum type { NIL, BOOL, NUMBER, TEXT, BYTES, ARRAY, MAP, OTHER };
struct value { enum type type; uint64_t number; const char *data; }; /* number: or size, or count */

static uint64_t number(struct in *in, int size)
{
    uint64_t number = 0;
    if (in->end - in->at < size)
        leave("a frame is cut short");
    while (size-- > 0)
        number = number << 8 | *in->at++;
    return number;
}

/* The next value; the elements of an array or a map are the next ones after it. */
static struct value next(struct in *in)
{
    uint8_t c = (uint8_t)number(in, 1);
    struct value value = { OTHER, 0, NULL };
    if (c < 0x80) value = (struct value){ NUMBER, c, NULL };
    else if (c < 0x90) value = (struct value){ MAP, c & 15, NULL };
    else if (c < 0xa0) value = (struct value){ ARRAY, c & 15, NULL };
    else if (c < 0xc0) value = (struct value){ TEXT, c & 31, NULL };
    else if (c == 0xc0) value.type = NIL;
    else if (c == 0xc2 || c == 0xc3) value = (struct value){ BOOL, c & 1, NULL };
    else if (c >= 0xc4 && c <= 0xc6) value = (struct value){ BYTES, number(in, 1 << (c - 0xc4)), NULL };
    else if (c == 0xca || c == 0xcb) number(in, c == 0xca ? 4 : 8); /* a float: none is of use here */
    else if (c >= 0xcc && c <= 0xcf) value = (struct value){ NUMBER, number(in, 1 << (c - 0xcc)), NULL };
    else if (c >= 0xd0 && c <= 0xd3) number(in, 1 << (c - 0xd0)); /* a number below 0: likewise */
    else if (c >= 0xd9 && c <= 0xdb) value = (struct value){ TEXT, number(in, 1 << (c - 0xd9)), NULL };
    else if (c == 0xdc || c == 0xdd) value = (struct value){ ARRAY, number(in, 2 << (c - 0xdc)), NULL };
    else if (c == 0xde || c == 0xdf) value = (struct value){ MAP, number(in, 2 << (c - 0xde)), NULL };
    else if (c >= 0xe0) value.type = OTHER; /* -32 to -1 */
    else leave("a frame holds a type that is not used"); /* extensions */
    if (value.type == TEXT || value.type == BYTES) {
        if ((uint64_t)(in->end - in->at) < value.number)
            leave("a frame is cut short");
        value.data = (const char *)in->at;
        in->at += value.number;
    }
    return value;
}

static void skip(struct in *in, int depth)
{
    struct value value = next(in);
    if (depth > DEEPEST)
        leave("a frame is nested too deeply");
    if (value.type == MAP)
        value.number *= 2;
    for (; (value.type == ARRAY || value.type == MAP) && value.number > 0; value.number--)
        skip(in, depth + 1);
}

static bool is(struct value value, const char *word)
{
    return value.type == TEXT && value.number == strlen(word) &&
           memcmp(value.data, word, value.number) == 0;
}

/* ---- Messages: ZMTP's header, then one frame ------------------------------------------------ */

static void send_frame(struct out *out)
{
    struct out head = { 0 };
    if (out->size < 256)
        put_head(&head, 0x00, out->size, 1);
    else
        put_head(&head, 0x02, out->size, 8);
    put(&head, out->data, out->size);
    for (size_t done = 0; done < head.size;) {
        ssize_t size = write(HOST, head.data + done, head.size - done);
        if (size < 0 && errno != EINTR)
            exit(0); /* the host has gone */
        done += size < 0 ? 0 : (size_t)size;
    }
    free(head.data);
    free(out->data);
    *out = (struct out){ 0 };
}

static void take(uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t done = read(HOST, data, size);
        if (done == 0 || (done < 0 && errno != EINTR))
            exit(0);
        data += done < 0 ? 0 : done;
        size -= done < 0 ? 0 : (size_t)done;
    }
}

/* One whole frame, to be freed. */
static uint8_t *receive(size_t *size)
{
    uint8_t head[9];
    take(head, 2);
    *size = head[1];
    if (head[0] == 0x02) { /* long: eight octets of length, of which one is there */
        take(head + 2, 7);
        struct in in = { head + 1, head + 9 };
        *size = number(&in, 8);
    } else if (head[0] != 0x00) {
        leave("a message is not one frame");
    }
    if (*size > MAX_FRAME)
        leave("a frame is too large");
    uint8_t *data = room(NULL, *size + 1);
    take(data, *size);
    return data;
}

/* ---- Calls ---------------------------------------------------------------------------------- */

struct call {
    uint64_t id; /* 0: free */
    bool streams, begun;
    int64_t credit;    /* bytes of Items that may still be sent */
    uint64_t exchange; /* the HTTP exchange that it waits for, or 0 */
    char *text;        /* what it says; the first `said` octets have been */
    size_t size, said;
};
static struct call calls[CALLS];
static uint64_t last_exchange; /* their ids count up from 1 */

static struct call *find(uint64_t id, bool by_exchange)
{
    for (struct call *call = calls; call < calls + CALLS; call++)
        if (id != 0 && (by_exchange ? call->exchange : call->id) == id)
            return call;
    return NULL;
}

static void ended(struct call *call)
{
    free(call->text);
    *call = (struct call){ 0 };
}

static void fail(uint64_t id, const char *kind, const char *message)
{
    struct out out = { 0 };
    put_array(&out, 3), put_uint(&out, FAILED), put_uint(&out, id);
    put_map(&out, 2);
    put_word(&out, "kind"), put_word(&out, kind);
    put_word(&out, "message"), put_word(&out, message);
    send_frame(&out);
}

/* {"type": "chat", "output": {"content": [{"type": "text", "text": "…"}]}} */
static void answer(struct call *call)
{
    struct out out = { 0 };
    put_array(&out, 3), put_uint(&out, RESULT), put_uint(&out, call->id);
    put_map(&out, 2);
    put_word(&out, "type"), put_word(&out, "chat");
    put_word(&out, "output"), put_map(&out, 1);
    put_word(&out, "content"), put_array(&out, 1), put_map(&out, 2);
    put_word(&out, "type"), put_word(&out, "text");
    put_word(&out, "text"), put_text(&out, call->text, call->size);
    send_frame(&out);
    ended(call);
}

/* One frame of a stream: its beginning, a word, or its end. */
static void say_more(struct call *call)
{
    struct out out = { 0 };
    bool last = call->begun && call->said == call->size;
    put_array(&out, 4), put_uint(&out, ITEMS), put_uint(&out, call->id);
    if (!call->begun) { /* [["text_start", "0"]] */
        put_array(&out, 1), put_array(&out, 2), put_word(&out, "text_start"), put_word(&out, "0");
    } else if (!last) { /* [["text", "0", "word "]] */
        const char *from = call->text + call->said;
        const char *blank = memchr(from, ' ', call->size - call->said);
        size_t size = blank == NULL ? call->size - call->said : (size_t)(blank - from) + 1;
        if (size > 4096) /* a frame of items has at most 1 MiB, and a window 256 KiB */
            for (size = 4096; (from[size] & 0xc0) == 0x80;) /* not within a character */
                size--;
        put_array(&out, 1), put_array(&out, 3), put_word(&out, "text"), put_word(&out, "0");
        put_text(&out, from, size);
        call->said += size;
    } else { /* [["text_end", "0"], ["finish", "stop"]] */
        put_array(&out, 2), put_array(&out, 2), put_word(&out, "text_end"), put_word(&out, "0");
        put_array(&out, 2), put_word(&out, "finish"), put_word(&out, "stop");
    }
    call->begun = true;
    put_bool(&out, last);
    call->credit -= (int64_t)out.size + ITEM_OVERHEAD;
    send_frame(&out);
    if (last)
        ended(call);
}

static void add_text(struct call *call, const char *data, size_t size)
{
    call->text = room(call->text, call->size + size + 1);
    memcpy(call->text + call->size, data, size);
    call->size += size;
    call->text[call->size] = '\0';
}

/* The model, and the text of the last message of the user's, of a chat request. */
static void read_request(struct in *in, struct value *model, char **text)
{
    struct value map = next(in);
    for (; map.number > 0; map.number--) {
        struct value key = next(in);
        if (is(key, "model")) {
            *model = next(in);
        } else if (is(key, "messages")) {
            struct value messages = next(in);
            for (; messages.number > 0; messages.number--) {
                struct call one = { 0 }; /* its text alone is of use here */
                bool user = false;
                for (struct value message = next(in); message.number > 0; message.number--) {
                    key = next(in);
                    if (is(key, "role")) {
                        user = is(next(in), "user");
                    } else if (is(key, "content")) {
                        for (struct value parts = next(in); parts.number > 0; parts.number--)
                            for (struct value part = next(in); part.number > 0; part.number--)
                                if (is(next(in), "text")) {
                                    struct value said = next(in);
                                    if (said.type == TEXT)
                                        add_text(&one, said.data, said.number);
                                } else {
                                    skip(in, 0);
                                }
                    } else {
                        skip(in, 0);
                    }
                }
                if (user) {
                    free(*text);
                    *text = one.text;
                } else {
                    free(one.text);
                }
            }
        } else {
            skip(in, 0);
        }
    }
}

static void open_exchange(struct call *call, const char *url, uint64_t timeout_ms)
{
    struct out out = { 0 };
    call->exchange = ++last_exchange;
    put_array(&out, 8), put_uint(&out, HTTP_OPEN), put_uint(&out, call->exchange);
    put_uint(&out, call->id), put_word(&out, "GET"), put_word(&out, url);
    put_array(&out, 0), put_nil(&out), put_uint(&out, timeout_ms); /* no headers, no body */
    send_frame(&out);
}

static void on_call(struct in *in)
{
    uint64_t id = next(in).number;
    struct value method = next(in), model = { NIL, 0, NULL };
    uint64_t timeout_ms = next(in).number;
    bool streams = is(method, "stream_chat");
    if (!streams && !is(method, "chat")) {
        fail(id, "unsupported", "this plugin chats, and nothing else");
        return;
    }
    struct call *call = calls;
    while (call < calls + CALLS && call->id != 0)
        call++;
    if (call == calls + CALLS) { /* limits.concurrency of plugin.toml is less */
        fail(id, "overloaded", "too many calls at once");
        return;
    }
    char *text = NULL;
    read_request(in, &model, &text);
    *call = (struct call){ .id = id, .streams = streams };
    call->credit = in->at < in->end ? (int64_t)next(in).number : 0; /* the window */
    if (is(model, "fetch")) {
        open_exchange(call, text == NULL ? "" : text, timeout_ms);
    } else {
        call->text = SAID(text == NULL ? "" : text);
        call->size = strlen(call->text);
        if (!streams)
            answer(call);
    }
    free(text);
}

/* HttpHead and HttpBody, from `data` on. */
static void on_body(struct call *call, struct in *in)
{
    struct value data = in->at < in->end ? next(in) : (struct value){ BYTES, 0, "" };
    bool last = in->at < in->end && next(in).number;
    struct out out = { 0 };
    if (data.type != BYTES)
        leave("a body is no bytes");
    if (call->size + data.number > MAX_FETCHED) {
        put_array(&out, 2), put_uint(&out, HTTP_CLOSE), put_uint(&out, call->exchange);
        send_frame(&out);
        fail(call->id, "malformed_response", "there is more at that URL than 1 MiB");
        ended(call);
        return;
    }
    add_text(call, data.data, data.number);
    if (!last) { /* so that more may come */
        put_array(&out, 3), put_uint(&out, HTTP_CREDIT), put_uint(&out, call->exchange);
        put_uint(&out, data.number);
        send_frame(&out);
        return;
    }
    call->exchange = 0;
    if (!call->streams)
        answer(call);
}

static void on_http(uint64_t frame, struct in *in)
{
    struct call *call = find(next(in).number, true);
    if (call == NULL) /* of a call that was cancelled meanwhile */
        return;
    if (frame == HTTP_FAILED) { /* the host's error is as good as ours */
        struct out out = { 0 };
        put_array(&out, 3), put_uint(&out, FAILED), put_uint(&out, call->id);
        put(&out, in->at, (size_t)(in->end - in->at));
        send_frame(&out);
        ended(call);
        return;
    }
    if (frame == HTTP_HEAD) {
        uint64_t status = next(in).number;
        skip(in, 0); /* headers */
        if (status != 200) {
            struct out out = { 0 };
            put_array(&out, 2), put_uint(&out, HTTP_CLOSE), put_uint(&out, call->exchange);
            send_frame(&out);
            fail(call->id, "server_error", "that URL was answered with another status than 200");
            ended(call);
            return;
        }
    }
    on_body(call, in);
}

static void on_load(void)
{
    struct out out = { 0 };
    put_array(&out, 4), put_uint(&out, LOG), put_word(&out, "info");
    put_word(&out, "a worker in C is here"), put_map(&out, 0);
    send_frame(&out);
    put_array(&out, 2), put_uint(&out, LOADED);
    put_array(&out, 2), put_word(&out, "chat"), put_word(&out, "stream_chat");
    send_frame(&out);
}

static void on_frame(struct in *in)
{
    struct out out = { 0 };
    next(in); /* the array */
    uint64_t frame = next(in).number;
    struct call *call;
    switch (frame) {
    case LOAD:
        on_load(); /* its fields are for plugins with settings, keys or data */
        break;
    case CALL:
        on_call(in);
        break;
    case CANCEL:
        call = find(next(in).number, false);
        if (call != NULL) {
            fail(call->id, "cancelled", "as asked");
            ended(call);
        }
        break;
    case CREDIT:
        call = find(next(in).number, false);
        if (call != NULL)
            call->credit += (int64_t)next(in).number;
        break;
    case PING:
        put_array(&out, 2), put_uint(&out, PONG), put_uint(&out, next(in).number);
        send_frame(&out);
        break;
    case STOP:
        exit(0);
    case HTTP_HEAD:
    case HTTP_BODY:
    case HTTP_FAILED:
        on_http(frame, in);
    }
}

int main(void)
{
    for (;;) {
        bool more = false; /* whether a stream has something to say and may */
        for (struct call *call = calls; call < calls + CALLS; call++) {
            if (call->streams && call->exchange == 0 && call->credit > 0)
                say_more(call);
            more = more || (call->streams && call->exchange == 0 && call->credit > 0);
        }
        struct pollfd host = { .fd = HOST, .events = POLLIN };
        if (poll(&host, 1, more ? 0 : -1) > 0) {
            size_t size;
            uint8_t *data = receive(&size);
            struct in in = { data, data + size };
            on_frame(&in);
            free(data);
        }
    }
}
