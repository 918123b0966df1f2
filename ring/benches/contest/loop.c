/*
 * The bare loop of the contest on liburing: loop nop|read BATCH BATCHES FILE BLOCKS
 * prints the nanoseconds of CPU time that BATCHES batches took, after a warm-up of a tenth of them.
 *
 * It asks for the set-up flags that our builder asks for, but for NO_SQARRAY: Debian's liburing 2.3
 * writes the array that the flag abolishes. It registers the ring's descriptor, as ours does.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <liburing.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BLOCK_LEN_BYTES 4096

struct load {
	int read;
	unsigned batch;
	uint64_t blocks;
	uint64_t state;
	char *memory;
};

static void die(const char *what, int errno_negative)
{
	fprintf(stderr, "%s: %s\n", what, strerror(-errno_negative));
	exit(1);
}

/* The same places as contest::Places. */
static inline uint64_t next_offset(struct load *load)
{
	load->state ^= load->state << 13;
	load->state ^= load->state >> 7;
	load->state ^= load->state << 17;
	return (((load->state >> 32) * load->blocks) >> 32) * BLOCK_LEN_BYTES;
}

static inline void push(struct io_uring *ring, struct load *load, unsigned index)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	if (!sqe)
		die("the queue holds a batch", 0);
	if (load->read) {
		char *buffer = load->memory + (size_t)index * BLOCK_LEN_BYTES;

		io_uring_prep_read_fixed(sqe, 0, buffer, BLOCK_LEN_BYTES, next_offset(load), 0);
		io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
	} else {
		io_uring_prep_nop(sqe);
	}
	io_uring_sqe_set_data64(sqe, index);
}

static void reap(struct io_uring *ring, const struct load *load)
{
	int result = load->read ? BLOCK_LEN_BYTES : 0;
	uint64_t sum = 0, last = load->batch - 1;
	unsigned count = 0, head;
	struct io_uring_cqe *cqe;

	io_uring_for_each_cqe(ring, head, cqe) {
		if (cqe->res != result)
			die("a completion", cqe->res);
		sum += cqe->user_data;
		count++;
	}
	io_uring_cq_advance(ring, count);
	if (count != load->batch || sum != last * (last + 1) / 2)
		die("not each entry completed once", 0);
}

static uint64_t run(struct io_uring *ring, struct load *load, unsigned batches)
{
	struct timespec begin, end;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
	for (unsigned i = 0; i < batches; i++) {
		for (unsigned index = 0; index < load->batch; index++)
			push(ring, load, index);
		int taken = io_uring_submit_and_wait(ring, load->batch);
		if (taken != (int)load->batch)
			die("a batch is submitted", taken);
		reap(ring, load);
	}
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
	return (end.tv_sec - begin.tv_sec) * 1000000000LL + end.tv_nsec - begin.tv_nsec;
}

static void register_all(struct io_uring *ring, struct load *load, const char *path)
{
	int file = open(path, O_RDONLY);
	struct iovec buffer = { .iov_len = (size_t)load->batch * BLOCK_LEN_BYTES };

	if (file < 0 || posix_memalign((void **)&load->memory, BLOCK_LEN_BYTES, buffer.iov_len))
		die("file or memory", -1);
	memset(load->memory, 0, buffer.iov_len);
	buffer.iov_base = load->memory;
	int error = io_uring_register_buffers(ring, &buffer, 1);
	if (error)
		die("a registered buffer", error);
	error = io_uring_register_files(ring, &file, 1);
	if (error)
		die("a registered file", error);
}

int main(int argc, char **argv)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN |
			 IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SINGLE_ISSUER |
			 IORING_SETUP_DEFER_TASKRUN,
	};
	struct io_uring ring;

	if (argc != 6) {
		fprintf(stderr, "usage: loop nop|read BATCH BATCHES FILE BLOCKS\n");
		return 2;
	}
	struct load load = {
		.read = !strcmp(argv[1], "read"),
		.batch = atoi(argv[2]),
		.blocks = strtoull(argv[5], NULL, 10),
		.state = 0x9e3779b97f4a7c15,
	};
	unsigned batches = atoi(argv[3]);

	params.cq_entries = load.batch;
	int error = io_uring_queue_init_params(load.batch, &ring, &params);
	if (error)
		die("set-up", error);
	error = io_uring_register_ring_fd(&ring);
	if (error != 1)
		die("a registered descriptor", error);
	if (load.read)
		register_all(&ring, &load, argv[4]);
	run(&ring, &load, batches / 10);
	printf("%llu\n", (unsigned long long)run(&ring, &load, batches));
	return 0;
}
