/* One decoding step of a Llama-shaped model: from the embeddings of new tokens to logits, over a KV
cache.

The same arithmetic as `minillm/model/transformer.py`, with one difference: before a product with a
matrix of 4 or 8 bits the input is rounded to integers -16256 .. 16256, with one scale per block of
32 numbers. Such an integer is stored as two bytes, 128 high + low, so that a product is one of
small integers, for which processors have instructions. Matrices in bfloat16 and float32 are
multiplied by the input as it is.

`native.py` packs the weights, checks every size and calls `minillm_step`; nothing is allocated or
checked here.

This file is plain C, to be read from top to bottom: structs, numbers, `dot_plain`, threads, then
the step: `normalize`, `quantize`, `product`, `rotate`, `attend`, and `run`, which is the model.
`native_kernels.h` has the packed layout of a matrix, and `dot_plain` once more for each kind of
processor.

Shapes as everywhere: B rows, T new tokens per row, N = B T vectors, S positions, C width, H heads,
K key/value heads, D head width, F feed-forward width, V tokens. Buffers are row-major with the
vector's number first. */

#include "native_kernels.h"

#include <math.h>
#if defined(_OPENMP)
#include <omp.h>
#endif
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>

#define LARGEST 16256 /* of the integers that inputs are rounded to: 127 * 128 */
#define MOST_THREADS 64

/* ---- what `native.py` passes ---- */

typedef struct {
    const float *attention_norm;
    const float *query_norm, *key_norm; /* may be NULL */
    const float *feedforward_norm;
    Matrix query, key, value, output, gate, up, down;
} Layer;

typedef struct {
    int64_t C, L, H, K, D, F;
    double eps;
    const Layer *layers;
    const float *final_norm;
    Matrix head;
} Model;

typedef struct {
    int64_t B, T, n_past, n_threads, own_threads, path; /* own_threads: 1 is not OpenMP's */
    int64_t n_last;         /* tokens of each row whose logits are wanted */
    float *x;               /* (N, C), the embeddings; afterwards the residual stream */
    const float *cos, *sin; /* (T, D/2); of row b from b * angle_stride on */
    const uint8_t *mask;    /* (T, S), likewise; NULL: token t sees n_past + t + 1 positions */
    int64_t angle_stride, mask_stride;
    void *keys, *values;    /* the cache: (L, B, K, S, D) with these strides, in numbers */
    int64_t layer_stride, row_stride, head_stride, position_stride, cache_format;
    /* buffers of the step: (N, C), (N, H D), (N, K D), (N, K D), (N, H D), (N, F), (N, F),
       (threads, S) */
    float *normed, *query, *key, *value, *mixed, *gate, *up, *scores;
    /* the rounded input of a product: codes (columns / 32, N, 2, 32), scale and sum (columns / 32,
       N); see `Input` */
    int8_t *codes;
    float *scale;
    int32_t *sum;
    float *logits;          /* (B n_last, V rounded up to 16); NULL: `normed` is wanted */
} Call;

/* The sizes that `native_library.py` must agree with; so must the order of the fields. */
int64_t minillm_layout(int which) {
    const int64_t sizes[] = {sizeof(Matrix), sizeof(Layer), sizeof(Model), sizeof(Call)};
    return sizes[which];
}

/* Whether this processor can run a code path: 0 plain C, 1 AVX2, 2 AVX512-VNNI, 3 NEON. */
int minillm_has_path(int path) { return has_instructions(path); }

/* ---- numbers ---- */

/* A float32 has 23 bits of fraction. Of a number near 1.5 * 2^23 none is left for what comes after
   the point, so adding that rounds x to an integer, which is then in the sum's lowest bits. */
INLINE int32_t nearest(float x) { return (int32_t)(bits_of(x + 12582912.0f) - 0x4B400000u); }

/* e^x = 2^k e^r with |r| <= ln(2) / 2, and six terms of a series for e^r: within 2e-7 of expf.
   Unlike expf it is no call of a library, so that a loop over it is vectorized. */
INLINE float exponential(float x) {
    x = x < -87.0f ? -87.0f : x > 88.0f ? 88.0f : x;
    int32_t k = nearest(x * 1.44269504f);
    float r = x - k * 0.69314718f;
    float tail = 1 / 24.0f + r * (1 / 120.0f + r * (1 / 720.0f));
    float series = 1 + r * (1 + r * (0.5f + r * (1 / 6.0f + r * tail)));
    return series * from_bits((uint32_t)(k + 127) << 23); /* the bits of 2^k */
}

/* Number i of the cache, whose format is 0 float32, 1 bfloat16 or 2 float16. */
INLINE float load(const void *numbers, int64_t i, int format) {
    if (format == 0) return ((const float *)numbers)[i];
    uint32_t half = ((const uint16_t *)numbers)[i];
    if (format == 1) return from_bits(half << 16);
    /* float16 has 5 bits of exponent with bias 15, float32 has 8 with bias 127: shift the bits,
       then multiply. */
    float magnitude = from_bits((half & 0x7fff) << 13) * 0x1p112f;
    return half & 0x8000 ? -magnitude : magnitude;
}

/* The other way, to the nearest number of that format, and of two that are as near to the even one:
   before the lower bits go, half of the last bit that stays is added, less one where it is 0. */
INLINE void store(void *numbers, int64_t i, float x, int format) {
    if (format == 0) {
        ((float *)numbers)[i] = x;
        return;
    }
    uint32_t bits = bits_of(x), half;
    if (format == 1) {
        half = x != x ? 0x7fc0 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    } else {
        float magnitude = fabsf(x) < 65504.0f ? fabsf(x) : 65504.0f; /* the largest float16 */
        uint32_t scaled = bits_of(magnitude * 0x1p-112f);
        half = (scaled + 0xfff + (scaled >> 13 & 1)) >> 13;
        half = x != x ? 0x7e00 : (bits >> 16 & 0x8000) | half;
    }
    ((uint16_t *)numbers)[i] = (uint16_t)half;
}

/* ---- the product of 16 rows of a matrix with `n` vectors ---- */

/* Sixteen rows times four columns: code 4r + i is of row r and column i; see `native_kernels.h`. */
static void unpack(const uint8_t *block, int64_t bits, int j, int16_t w[4 * ROWS]) {
    for (int i = 0; i < 4 * ROWS; i++)
        if (bits == 8) w[i] = block[64 * j + i] - 128;
        else if (j % 2 == 0) w[i] = (block[32 * j + i] & 15) - 8;
        else w[i] = (block[32 * (j - 1) + i] >> 4) - 8;
}

/* Row r of one column, in bfloat16 or float32. */
INLINE float weight(const uint8_t *column, int r, int64_t bits) {
    if (bits == 16) return from_bfloat16(column + 2 * r);
    float x;
    memcpy(&x, column + 4 * r, 4);
    return x;
}

/* The form to read; `dot_avx512`, `dot_avx2` and `dot_neon` compute the same integers. For each
   block of 32 columns: the sum of weight codes times input codes, which are integers, and then one
   product with the scales of both. */
static void dot_plain(const Matrix *m, int64_t group, Input in, int n, float out[TILE][ROWS]) {
    int64_t n_blocks = m->columns / BLOCK;
    memset(out, 0, sizeof(float[TILE][ROWS]));
    if (m->bits >= 16) {
        const uint8_t *p = m->blocks + group * n_blocks * block_bytes(m->bits);
        for (int64_t column = 0; column < m->columns; column++, p += ROWS * m->bits / 8)
            for (int v = 0; v < n; v++)
                for (int r = 0; r < ROWS; r++)
                    out[v][r] += weight(p, r, m->bits) * in.values[v * m->columns + column];
        return;
    }
    for (int64_t b = 0; b < n_blocks; b++) {
        const uint8_t *block = m->blocks + (group * n_blocks + b) * block_bytes(m->bits);
        const uint8_t *scale = block + 64 * m->bits, *zero = scale + 2 * ROWS;
        int32_t sums[TILE][ROWS] = {{0}};
        for (int j = 0; j < BLOCK / 4; j++) {
            int16_t w[4 * ROWS];
            unpack(block, m->bits, j, w);
            for (int v = 0; v < n; v++) {
                const int8_t *high = in.codes + 2 * BLOCK * (b * in.N + v) + 4 * j;
                const int8_t *low = high + BLOCK;
                for (int i = 0; i < 4; i++)
                    for (int r = 0; r < ROWS; r++)
                        sums[v][r] += w[4 * r + i] * (128 * high[i] + low[i]);
            }
        }
        for (int v = 0; v < n; v++)
            for (int r = 0; r < ROWS; r++) {
                float product = from_bfloat16(scale + 2 * r) * sums[v][r];
                if (m->bits == 4) product += from_bfloat16(zero + 2 * r) * in.sum[b * in.N + v];
                out[v][r] += product * in.scale[b * in.N + v];
            }
    }
}

/* ---- threads ----

Those of OpenMP, where the compiler has it, since PyTorch computes with the same ones: after an
operation they stay awake, by default for some milliseconds, and others would have to share the
cores with them. In a child of a fork they are gone, so there, and without OpenMP, every step starts
its own, which costs some 20 microseconds. Within the step threads wait for each other at barriers,
where one part reads what another wrote. */

typedef struct Pool Pool;
struct Pool {
    const Model *model;
    const Call *call;
    Dot *dot;
    void (*run)(Pool *, int);
    atomic_int size; /* how many threads there are; 0: not all have started */
    atomic_int arrived, phase;
};

/* What a new thread is given: `thread` is its number, and 0 is the one that called. */
typedef struct { Pool *pool; int thread; } Member;

static void wait_while(atomic_int *number, int value) {
    /* Most waits take less time than it takes to put a thread to sleep, so look again and again.
       After that, let others run: the thread that is waited for may need this very core. */
    for (int spins = 0; atomic_load_explicit(number, memory_order_acquire) == value; spins++)
        if (spins > 200) sched_yield();
        else pause_briefly();
}

/* Wait until every thread of the pool is here. The last one to arrive starts the next phase. */
static void barrier(Pool *pool) {
    int phase = atomic_load(&pool->phase);
    if (atomic_fetch_add(&pool->arrived, 1) == atomic_load(&pool->size) - 1) {
        atomic_store(&pool->arrived, 0);
        atomic_store(&pool->phase, phase + 1);
    } else wait_while(&pool->phase, phase);
}

/* This thread's rows, in units of 32, so that it wrote all of a block that it then rounds. */
INLINE void rows_of_thread(int64_t rows, int thread, int size, int64_t *first, int64_t *last) {
    int64_t units = (rows + BLOCK - 1) / BLOCK;
    *first = BLOCK * (units * thread / size);
    *last = BLOCK * (units * (thread + 1) / size);
    if (*last > rows) *last = (rows + ROWS - 1) / ROWS * ROWS;
}

/* ---- the parts of the step ---- */

/* RMSNorm: y = x / sqrt(mean(x^2) + eps) * weight */
INLINE void normalize(const float *x, const float *weight, int64_t n, double eps, float *y) {
    float squares = 0;
    for (int64_t i = 0; i < n; i++) squares += x[i] * x[i];
    float factor = 1 / sqrtf(squares / n + (float)eps);
    for (int64_t i = 0; i < n; i++) y[i] = x[i] * factor * weight[i];
}

/* Round n numbers of vector `number`, one of N, from column `first` on: the largest of each block
   becomes 16256. */
INLINE void quantize(const Call *c, const float *x, int64_t number, int64_t N, int64_t first,
                     int64_t n) {
    for (; n > 0; n -= BLOCK, x += BLOCK, first += BLOCK) {
        int64_t block = first / BLOCK * N + number;
        int8_t *high = c->codes + 2 * BLOCK * block, *low = high + BLOCK;
        /* Without the sign, bits are in the order of the numbers, with NaN last: it makes the scale
           NaN, and so the logits. A comparison of floats would lose it. */
        uint32_t bits = 0;
        for (int i = 0; i < BLOCK; i++) {
            uint32_t magnitude = bits_of(x[i]) & 0x7fffffff;
            bits = magnitude > bits ? magnitude : bits;
        }
        float largest = from_bits(bits), inverse = largest > 1e-30f ? LARGEST / largest : 0;
        int32_t sum = 0;
        for (int i = 0; i < BLOCK; i++) {
            int16_t code = (int16_t)nearest(x[i] * inverse);
            sum += code;
            high[i] = (int8_t)((code + 64) >> 7);    /* -127 .. 127 */
            low[i] = (int8_t)(code - 128 * high[i]); /* -64 .. 63 */
        }
        c->scale[block] = largest / LARGEST;
        c->sum[block] = sum;
    }
}

/* y = W x + bias for every vector, or added to y, which has `stride` numbers per vector. */
static void product(Pool *pool, int thread, const Matrix *m, const float *values, int64_t N,
                    float *y, int64_t stride, int add) {
    const Call *c = pool->call;
    int64_t first, last, most = c->path == 1 ? TILE / 2 : TILE; /* path 1 is AVX2 */
    float out[TILE][ROWS];
    rows_of_thread(m->rows, thread, pool->size, &first, &last);
    for (int64_t row = first; row < last; row += ROWS)
        for (int64_t n = 0, count; n < N; n += count) {
            count = N - n >= most ? most : N - n >= TILE / 2 ? TILE / 2 : 1;
            Input in = {values + n * m->columns, c->codes + 2 * BLOCK * n, c->scale + n, c->sum + n,
                        N};
            pool->dot(m, row / ROWS, in, (int)count, out);
            for (int64_t v = 0; v < count; v++)
                for (int r = 0; r < ROWS; r++) {
                    float *to = y + (n + v) * stride + row + r;
                    *to = (add ? *to : 0) + out[v][r] + (m->bias ? m->bias[row + r] : 0);
                }
        }
}

/* RMSNorm if the model has one, then pairs (i, i + D/2) by their position's angle. */
INLINE void rotate(const Model *m, const Call *c, float *x, const float *norm, int64_t n) {
    int64_t half = m->D / 2, at = n / c->T * c->angle_stride + n % c->T * half;
    if (norm) normalize(x, norm, m->D, m->eps, x);
    for (int64_t i = 0; i < half; i++) {
        float first = x[i], second = x[i + half], cosine = c->cos[at + i], sine = c->sin[at + i];
        x[i] = first * cosine - second * sine;
        x[i + half] = second * cosine + first * sine;
    }
}

/* Where the cache has position 0 of one key/value head, in the row that vector n belongs to. */
INLINE int64_t cache_offset(const Call *c, int64_t layer, int64_t n, int64_t head) {
    return layer * c->layer_stride + n / c->T * c->row_stride + head * c->head_stride;
}

/* One query: mixed = softmax(query . keys / sqrt(D)) . values, over the positions that its token
   sees. */
INLINE void attend(const Model *m, const Call *c, int64_t layer, int64_t n, int64_t head,
                   float *scores, int format) {
    int64_t t = n % c->T, D = m->D, S = c->n_past + (c->mask ? c->T : t + 1);
    int64_t group = head / (m->H / m->K); /* heads that share keys stand together */
    int64_t at = cache_offset(c, layer, n, group), step = c->position_stride;
    const uint8_t *mask = c->mask ? c->mask + n / c->T * c->mask_stride + t * S : NULL;
    const float *query = c->query + (n * m->H + head) * D;
    float *mixed = c->mixed + (n * m->H + head) * D;
    float largest = -INFINITY, total = 0, factor = 1 / sqrtf((float)D);
    int64_t first = 0; /* that it sees; before it are padding, or what its window leaves out */
    while (mask && first < S - 1 && !mask[first]) first++;
    for (int64_t s = first; s < S; s++) {
        float score = 0;
        for (int64_t i = 0; i < D; i++)
            score += query[i] * load(c->keys, at + s * step + i, format);
        scores[s] = score * factor;
        if ((!mask || mask[s]) && scores[s] > largest) largest = scores[s];
    }
    for (int64_t s = first; s < S; s++) scores[s] = exponential(scores[s] - largest);
    for (int64_t s = first; mask && s < S; s++) scores[s] = mask[s] ? scores[s] : 0;
    for (int64_t s = first; s < S; s++) total += scores[s];
    memset(mixed, 0, D * sizeof(float));
    for (int64_t s = first; s < S; s++)
        for (int64_t i = 0; i < D; i++)
            mixed[i] += scores[s] / total * load(c->values, at + s * step + i, format);
}

/* All heads of one layer. `format` is a constant in each call, so the loops over the cache have no
   branch for it. */
INLINE void attention(Pool *pool, int thread, int64_t l, int format) {
    const Model *m = pool->model;
    const Call *c = pool->call;
    const Layer *layer = m->layers + l;
    int64_t N = c->B * c->T, D = m->D, heads = m->H + m->K;
    /* 1. queries stay where they are; keys and values go into the cache */
    for (int64_t item = thread; item < N * heads; item += pool->size) {
        int64_t n = item / heads, head = item % heads, group = head - m->H;
        if (group < 0) {
            rotate(m, c, c->query + (n * m->H + head) * D, layer->query_norm, n);
            continue;
        }
        float *key = c->key + (n * m->K + group) * D, *value = c->value + (n * m->K + group) * D;
        int64_t position = c->n_past + n % c->T;
        int64_t at = cache_offset(c, l, n, group) + position * c->position_stride;
        rotate(m, c, key, layer->key_norm, n);
        for (int64_t i = 0; i < D; i++) store(c->keys, at + i, key[i], format);
        for (int64_t i = 0; i < D; i++) store(c->values, at + i, value[i], format);
    }
    barrier(pool);
    /* 2. scores, softmax, mean */
    float *scores = c->scores + thread * (c->n_past + c->T);
    for (int64_t item = thread; item < N * m->H; item += pool->size)
        attend(m, c, l, item / m->H, item % m->H, scores, format);
    barrier(pool);
}

/* `normed` and its codes, of the last `count` tokens in each row of the residual stream. */
INLINE void prepare(Pool *pool, int thread, const float *weight, int64_t count) {
    const Call *c = pool->call;
    int64_t C = pool->model->C;
    for (int64_t n = thread; n < c->B * count; n += pool->size) {
        int64_t from = n / count * c->T + c->T - count + n % count;
        normalize(c->x + from * C, weight, C, pool->model->eps, c->normed + n * C);
        quantize(c, c->normed + n * C, n, c->B * count, 0, C);
    }
    barrier(pool);
}

/* ---- the step: every thread runs this ---- */

INLINE void run(Pool *pool, int thread) {
    const Model *m = pool->model;
    const Call *c = pool->call;
    int64_t N = c->B * c->T, C = m->C, F = m->F, HD = m->H * m->D, KD = m->K * m->D, first, last;
    int size = atomic_load(&pool->size);
    for (int64_t l = 0; l < m->L; l++) {
        const Layer *layer = m->layers + l;
        /* x += output(attention(norm(x))) */
        prepare(pool, thread, layer->attention_norm, c->T);
        product(pool, thread, &layer->query, c->normed, N, c->query, HD, 0);
        product(pool, thread, &layer->key, c->normed, N, c->key, KD, 0);
        product(pool, thread, &layer->value, c->normed, N, c->value, KD, 0);
        barrier(pool);
        if (c->cache_format == 0) attention(pool, thread, l, 0);
        else if (c->cache_format == 1) attention(pool, thread, l, 1);
        else attention(pool, thread, l, 2);
        for (int64_t n = thread; n < N; n += size) quantize(c, c->mixed + n * HD, n, N, 0, HD);
        barrier(pool);
        product(pool, thread, &layer->output, c->mixed, N, c->x, C, 1);
        barrier(pool);
        /* x += down(silu(gate(norm(x))) * up(norm(x))) */
        prepare(pool, thread, layer->feedforward_norm, c->T);
        product(pool, thread, &layer->gate, c->normed, N, c->gate, F, 0);
        product(pool, thread, &layer->up, c->normed, N, c->up, F, 0);
        barrier(pool); /* the others still read the codes of `normed` */
        rows_of_thread(F, thread, size, &first, &last);
        for (int64_t n = 0; n < N; n++) {
            float *gate = c->gate + n * F, *up = c->up + n * F;
            for (int64_t i = first; i < last; i++)
                gate[i] = gate[i] / (1 + exponential(-gate[i])) * up[i];
            quantize(c, gate + first, n, N, first, last - first);
        }
        barrier(pool);
        product(pool, thread, &layer->down, c->gate, N, c->x, C, 1);
        barrier(pool);
    }
    /* logits = head(norm(x)), of the last tokens only; or norm(x), which stays in `normed` */
    prepare(pool, thread, m->final_norm, c->n_last);
    if (!c->logits) return;
    int64_t padded = (m->head.rows + ROWS - 1) / ROWS * ROWS;
    product(pool, thread, &m->head, c->normed, c->B * c->n_last, c->logits, padded, 0);
}

/* The same step once per target: its loops in plain C are vectorized for each of them. */
static void run_plain(Pool *pool, int thread) { run(pool, thread); }
#if defined(__x86_64__)
AVX2 static void run_avx2(Pool *pool, int thread) { run(pool, thread); }
AVX512 static void run_avx512(Pool *pool, int thread) { run(pool, thread); }
#endif

static void *thread_main(void *argument) {
    Member *member = argument;
    wait_while(&member->pool->size, 0);
    member->pool->run(member->pool, member->thread);
    return NULL;
}

static void start_threads(Pool *pool, int64_t n_threads) {
    pthread_t handles[MOST_THREADS];
    Member members[MOST_THREADS];
    sigset_t all, before;
    int size = 1;
    sigfillset(&all);
    /* signals such as Ctrl-C are for the thread that called */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (; size < n_threads && size < MOST_THREADS; size++) {
        members[size] = (Member){pool, size};
        if (pthread_create(&handles[size], NULL, thread_main, &members[size]))
            break; /* the system gives no more threads: fewer will do */
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    atomic_store(&pool->size, size);
    pool->run(pool, 0);
    for (int i = 1; i < size; i++) pthread_join(handles[i], NULL);
}

#if defined(_OPENMP)
static void take_threads(Pool *pool, int64_t n_threads) {
#pragma omp parallel num_threads(n_threads)
    {
        Member member = {pool, omp_get_thread_num()};
        if (member.thread == 0) atomic_store(&pool->size, omp_get_num_threads());
        thread_main(&member);
    }
}
#endif

void minillm_step(const Model *model, const Call *call) {
    Pool pool = {model, call, dot_plain, run_plain, 0, 0, 0};
#if defined(__x86_64__)
    if (call->path == 1) { pool.dot = dot_avx2; pool.run = run_avx2; }
    if (call->path == 2) { pool.dot = dot_avx512; pool.run = run_avx512; }
#elif defined(__aarch64__)
    if (call->path == 3) pool.dot = dot_neon;
#endif
#if defined(_OPENMP)
    if (!call->own_threads) {
        take_threads(&pool, call->n_threads);
        return;
    }
#endif
    start_threads(&pool, call->n_threads);
}
