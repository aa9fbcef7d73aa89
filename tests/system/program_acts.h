/* What the example in C tries in place of saying its text back, when it is built for the tests:
 * "read PATH", "write PATH", "exec PATH", "connect PORT", "fork". It says what became of it. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SAID(text) acted(text)

static char *outcome(int failed) { return strdup(failed ? strerror(errno) : "went"); }

static char *acted_read(const char *path)
{
    static char data[4096];
    int fd = open(path, O_RDONLY);
    ssize_t size = fd < 0 ? -1 : read(fd, data, sizeof data - 1);
    if (size < 0)
        return outcome(1);
    close(fd);
    data[size] = '\0';
    return strdup(data);
}

static char *acted_write(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    if (fd < 0)
        return outcome(1);
    ssize_t size = write(fd, "here", 4);
    close(fd);
    return outcome(size != 4);
}

static char *acted_connect(const char *port)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0)
        return outcome(1);
    return outcome(connect(fd, (struct sockaddr *)&to, sizeof to));
}

static char *acted(const char *text)
{
    if (strncmp(text, "read ", 5) == 0)
        return acted_read(text + 5);
    if (strncmp(text, "write ", 6) == 0)
        return acted_write(text + 6);
    if (strncmp(text, "connect ", 8) == 0)
        return acted_connect(text + 8);
    if (strncmp(text, "exec ", 5) == 0) {
        char *arguments[] = { "another", NULL }, *environment[] = { NULL };
        return outcome(execve(text + 5, arguments, environment));
    }
    if (strcmp(text, "fork") == 0) {
        pid_t child = fork();
        if (child == 0)
            for (;;)
                pause();
        return outcome(child < 0);
    }
    return strdup(text);
}
