/* The floor: the cheapest epoll server that tells many readers the same bytes.
 *
 *   floor PORT     GET /sub: a stream · POST /pub: its body to every stream · else: ok
 *
 * No parsing beyond the first word, no memory of what was sent. What it costs is
 * what the kernel costs.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define FILES 65536

static const char stream[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
static const char small[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
static int readers[FILES], place[FILES], count;
static char buffer[1 << 18];

static void leave(int fd) {
    if (place[fd]) {
        int last = readers[--count];
        readers[place[fd] - 1] = last;
        place[last] = place[fd];
        place[fd] = 0;
    }
    close(fd);
}

static void serve(int fd) {
    int size = read(fd, buffer, sizeof buffer - 1);
    if (size <= 0) {
        leave(fd);
        return;
    }
    buffer[size] = 0;
    if (!strncmp(buffer, "GET /sub", 8)) {
        readers[count++] = fd;
        place[fd] = count;
        send(fd, stream, sizeof stream - 1, MSG_NOSIGNAL);
    } else if (!strncmp(buffer, "POST", 4)) {
        char *body = strstr(buffer, "\r\n\r\n"), *length;
        length = strcasestr(buffer, "content-length:");
        if (!body || !length) return;
        body += 4;
        long wanted = atol(length + 15), have = size - (body - buffer);
        while (have < wanted) {
            int got = read(fd, body + have, wanted - have);
            if (got <= 0) return;
            have += got;
        }
        for (int i = 0; i < count; i++)
            send(readers[i], body, wanted, MSG_NOSIGNAL | MSG_DONTWAIT);
        send(fd, small, sizeof small - 1, MSG_NOSIGNAL);
    } else
        send(fd, small, sizeof small - 1, MSG_NOSIGNAL);
}

int main(int argc, char **argv) {
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    int one = 1, door = socket(AF_INET, SOCK_STREAM, 0), poll = epoll_create1(0);
    struct sockaddr_in at = {.sin_family = AF_INET};
    at.sin_port = htons(argc > 1 ? atoi(argv[1]) : 0);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(door, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(door, (struct sockaddr *)&at, sizeof at) || listen(door, 4096)) {
        perror("floor");
        return 1;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.fd = door}, events[256];
    epoll_ctl(poll, EPOLL_CTL_ADD, door, &event);
    for (;;) {
        int ready = epoll_wait(poll, events, 256, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.fd != door) {
                serve(events[i].data.fd);
                continue;
            }
            int fd = accept(door, NULL, NULL);
            if (fd < 0) continue;
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            event.events = EPOLLIN;
            event.data.fd = fd;
            epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
        }
    }
}
