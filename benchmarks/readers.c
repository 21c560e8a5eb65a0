/* A load client cheap enough not to be the bottleneck: one thread, epoll.
 *
 *   readers follow PORT PATH COUNT MARKS      open pages: COUNT streams
 *   readers probe  PORT PATH [HEADER]         one small request after the other
 *   readers ask    PORT PATH CONNS SECONDS [HEADER]   as many as it can get
 *
 * A message carries its number and the CLOCK_MONOTONIC nanosecond of its publication:
 * `bench0007t0000123456789012345z`. `follow` prints a line when every reader has
 * been answered, one when every reader has every message, and its figures when
 * standard input ends; the others end likewise.
 * Figures are JSON. Times are microseconds unless the name says otherwise.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MARK 30  /* bytes of a mark */
#define MOST 64  /* marks of a run: a bit each */
#define WINDOW 512  /* connections that are being made at the same moment */

struct reader {
    int fd, answered, held;
    uint64_t seen;
    char rest[MARK];
};

static struct sockaddr_in server;
static char request[2048], buffer[1 << 18];
static int request_size;

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

/* Come from one of four addresses in turn: of each there are some 28,000 ports, and
 * the kernel looks for a free one the longer the more of them are taken. */
static void come_from_somewhere(int fd) {
    static int turn;
    int one = 1;
    struct sockaddr_in from = {.sin_family = AF_INET};
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + turn++ % 4);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&from, sizeof from)) fail("bind");
}

static int open_line(int blocking) {
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | (blocking ? 0 : SOCK_NONBLOCK), 0);
    if (fd < 0) fail("socket: is the limit of open files too low");
    struct linger hard = {1, 0}; /* no TIME_WAIT: the next run wants the port */
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (!blocking) come_from_somewhere(fd);
    if (connect(fd, (struct sockaddr *)&server, sizeof server) && errno != EINPROGRESS)
        fail("connect");
    return fd;
}

static void prepare(const char *port, const char *path, const char *header) {
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    server.sin_family = AF_INET;
    server.sin_port = htons(atoi(port));
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    request_size = snprintf(request, sizeof request,
        "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s%s\r\n", path,
        header ? header : "", header ? "\r\n" : "");
}

static int by_size(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static uint32_t part(const uint32_t *sorted, size_t count, double share) {
    return count ? sorted[(size_t)((count - 1) * share)] : 0;
}

static uint32_t *delays, last[MOST];
static size_t delay_count, doubled;
static uint64_t bytes;

static void take(struct reader *one, const char *mark) {
    int number = atoi(mark + 5);
    if (mark[9] != 't' || number < 0 || number >= MOST) return;
    if (one->seen >> number & 1) {
        doubled++;
        return;
    }
    one->seen |= 1ull << number;
    uint32_t late = (now() - strtoll(mark + 10, NULL, 10)) / 1000;
    delays[delay_count++] = late;
    if (late > last[number]) last[number] = late;
}

/* Find the marks in what came, whole or cut in two by the network. */
static void scan(struct reader *one, char *data, int size) {
    char *end = data + size, *at = data;
    while ((at = memmem(at, end - at, "bench", 5)) && end - at >= MARK) {
        take(one, at);
        at += MARK;
    }
    one->held = 0;
    if (at) one->held = end - at;
    else for (int n = size < 4 ? size : 4; n > 0; n--)
        if (!memcmp(end - n, "bench", n)) { one->held = n; break; }
    if (one->held) memcpy(one->rest, end - one->held, one->held);
}

static void follow(int count, int marks) {
    struct reader *readers = calloc(count, sizeof *readers);
    delays = malloc(sizeof *delays * (size_t)count * MOST);
    int poll = epoll_create1(0), opened = 0, answered = 0, gone = 0,
        complete = 0;
    struct epoll_event event, events[1024];
    event.events = EPOLLIN;
    event.data.ptr = NULL;
    epoll_ctl(poll, EPOLL_CTL_ADD, 0, &event);
    int64_t began = now();
    for (int running = 1; running;) {
        while (opened < count && opened - answered - gone < WINDOW) {
            struct reader *one = &readers[opened++];
            one->fd = open_line(0);
            event.events = EPOLLOUT;
            event.data.ptr = one;
            epoll_ctl(poll, EPOLL_CTL_ADD, one->fd, &event);
        }
        int ready = epoll_wait(poll, events, 1024, 1000);
        for (int i = 0; i < ready; i++) {
            struct reader *one = events[i].data.ptr;
            if (!one) {
                running = 0;
                continue;
            }
            if (events[i].events & EPOLLOUT) {
                if (write(one->fd, request, request_size) != request_size) fail("write");
                event.events = EPOLLIN;
                event.data.ptr = one;
                epoll_ctl(poll, EPOLL_CTL_MOD, one->fd, &event);
                continue;
            }
            memcpy(buffer, one->rest, one->held);
            int got = read(one->fd, buffer + one->held, sizeof buffer - MARK);
            if (got <= 0) {
                if (got < 0 && errno == EAGAIN) continue;
                close(one->fd);
                gone++;
                continue;
            }
            bytes += got;
            if (!one->answered) {
                if (strncmp(buffer, "HTTP/1.1 200", 12)) {
                    buffer[got < 200 ? got : 200] = 0;
                    fprintf(stderr, "refused: %s\n", buffer);
                    exit(1);
                }
                one->answered = 1;
                if (++answered == count) {
                    printf("{\"connected_in_s\": %.3f}\n", (now() - began) / 1e9);
                    fflush(stdout);
                    bytes = 0;
                }
            }
            scan(one, buffer, one->held + got);
        }
        if (!complete && delay_count == (size_t)count * marks) {
            complete = 1;
            printf("{\"complete\": true}\n");
            fflush(stdout);
        }
    }
    size_t lost = 0;
    for (int i = 0; i < count; i++)
        lost += marks - __builtin_popcountll(readers[i].seen);
    qsort(delays, delay_count, sizeof *delays, by_size);
    qsort(last, marks, sizeof *last, by_size);
    printf("{\"deliveries\": %zu, \"lost\": %zu, \"doubled\": %zu, \"dropped\": %d, "
           "\"p50\": %u, \"p99\": %u, \"last\": %u, \"worst\": %u, \"bytes\": %.0f}\n",
           delay_count, lost, doubled, gone, part(delays, delay_count, .5),
           part(delays, delay_count, .99), part(last, marks, .5), last[marks - 1],
           delay_count ? (double)bytes / delay_count : 0.0);
}

/* Read one answer with a Content-Length or without a body; return its status. */
static int answer(int fd) {
    int size = 0;
    while (size < (int)sizeof buffer - 1) {
        int got = read(fd, buffer + size, sizeof buffer - 1 - size);
        if (got <= 0) return -1;
        size += got;
        buffer[size] = 0;
        char *body = strstr(buffer, "\r\n\r\n");
        if (!body) continue;
        int status = atoi(buffer + 9);
        char *length = strcasestr(buffer, "content-length:");
        long wanted = status != 304 && length && length < body ? atol(length + 15) : 0;
        for (long have = size - (body + 4 - buffer); have < wanted; have += got)
            if ((got = read(fd, buffer, sizeof buffer - 1)) <= 0) return -1;
        return status;
    }
    return -1;
}

static int input_ended(void) {
    fd_set set;
    struct timeval none = {0, 0};
    FD_ZERO(&set);
    FD_SET(0, &set);
    return select(1, &set, NULL, NULL, &none) > 0;
}

static void probe(void) {
    size_t count = 0;
    uint32_t *waits = malloc(sizeof *waits * 1000000);
    int fd = open_line(1);
    while (!input_ended() && count < 1000000) {
        int64_t began = now();
        if (write(fd, request, request_size) != request_size || answer(fd) < 0) {
            close(fd);
            fd = open_line(1);
            continue;
        }
        waits[count++] = (now() - began) / 1000;
        usleep(10000);
    }
    qsort(waits, count, sizeof *waits, by_size);
    printf("{\"requests\": %zu, \"p50\": %u, \"p99\": %u, \"worst\": %u}\n", count,
           part(waits, count, .5), part(waits, count, .99), part(waits, count, 1));
}

static void ask(int lines, double seconds) {
    struct { int fd; long left; } *line = calloc(lines, sizeof *line);
    int poll = epoll_create1(0), status = 0;
    size_t answers = 0;
    struct epoll_event event, events[256];
    for (int i = 0; i < lines; i++) {
        line[i].fd = open_line(1);
        line[i].left = -1; /* the head has not come */
        event.events = EPOLLIN;
        event.data.u32 = i;
        epoll_ctl(poll, EPOLL_CTL_ADD, line[i].fd, &event);
        if (write(line[i].fd, request, request_size) != request_size) fail("write");
    }
    int64_t began = now(), until = began + (int64_t)(seconds * 1e9);
    while (now() < until) {
        int ready = epoll_wait(poll, events, 256, 100);
        for (int e = 0; e < ready; e++) {
            int i = events[e].data.u32, got = read(line[i].fd, buffer, sizeof buffer - 1);
            if (got <= 0) fail("the server hung up");
            if (line[i].left < 0) {
                buffer[got] = 0;
                char *body = strstr(buffer, "\r\n\r\n");
                if (!body) fail("a head in two pieces");
                char *length = strcasestr(buffer, "content-length:");
                status = atoi(buffer + 9);
                long size = length && length < body && status != 304
                    ? atol(length + 15) : 0;
                line[i].left = size - (got - (body + 4 - buffer));
            } else
                line[i].left -= got;
            if (line[i].left > 0) continue;
            answers++;
            line[i].left = -1;
            if (write(line[i].fd, request, request_size) != request_size) fail("write");
        }
    }
    printf("{\"status\": %d, \"per_second\": %.0f}\n", status,
           answers / ((now() - began) / 1e9));
}

int main(int argc, char **argv) {
    if (argc < 4) return 2;
    if (!strcmp(argv[1], "follow") && argc == 6) {
        prepare(argv[2], argv[3], "Accept: text/event-stream");
        follow(atoi(argv[4]), atoi(argv[5]));
    } else if (!strcmp(argv[1], "probe")) {
        prepare(argv[2], argv[3], argc > 4 ? argv[4] : NULL);
        probe();
    } else if (!strcmp(argv[1], "ask") && argc >= 6) {
        prepare(argv[2], argv[3], argc > 6 ? argv[6] : NULL);
        ask(atoi(argv[4]), atof(argv[5]));
    } else
        return 2;
    return 0;
}
