/* Adds 10 ms to every fsync and fdatasync: an honest slow disk. Loaded with LD_PRELOAD by the benchmarks. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <unistd.h>

static int slowed(const char *name, int fd) {
	int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
	usleep(10000);
	return real(fd);
}

int fsync(int fd) { return slowed("fsync", fd); }
int fdatasync(int fd) { return slowed("fdatasync", fd); }
