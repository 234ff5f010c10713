/* One decoding step of a Llama-shaped model: from the embeddings of new tokens to logits, over a KV cache.

The same arithmetic as `minillm/model/transformer.py`, with one difference: before a product with a matrix of 4 or 8 bits
the input is rounded to integers -16256 .. 16256, with one scale per block of 32 numbers. Such an integer is stored as two
bytes, 128 high + low, so that a product is one of small integers, for which processors have instructions.
`native.py` packs the weights, checks every size and calls `minillm_step`; nothing is allocated or checked here.

Shapes as everywhere: B rows, T new tokens per row, N = B T vectors, S positions, C width, H heads, K key/value heads,
D head width, F feed-forward width, V tokens. Buffers are row-major with the vector's number first.

A matrix is stored in groups of 16 rows and blocks of 32 columns, in the order in which the product reads them. One block
of 16 rows holds, for 4 bits (320 bytes): 4 x 64 bytes of codes, then 16 scales and 16 zeros in bfloat16; for 8 bits
(544 bytes): 8 x 64 bytes of codes, then 16 scales; for 16 bits (1024 bytes): 32 columns of 16 weights in bfloat16.
64 bytes are 16 rows of 4 columns; of 4-bit codes, the low halves are columns 8j to 8j + 3 and the high halves the next
four. Weights are scale (code - 8) + zero in 4 bits and scale (code - 128) in 8. */

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#if defined(__linux__)
#include <sys/auxv.h>
#endif
#endif

#define INLINE static inline __attribute__((always_inline))
#define BLOCK 32        /* numbers that share a scale */
#define ROWS 16         /* rows in a group: one 512-bit register of 32-bit sums */
#define TILE 8          /* most vectors that share one pass over the weights; half as many in AVX2, with 16 registers */
#define LARGEST 16256   /* of the integers that inputs are rounded to: 127 * 128 */
#define MOST_THREADS 64

typedef struct { const uint8_t *blocks; const float *bias; int64_t rows, columns, bits; } Matrix;

typedef struct {
    const float *attention_norm, *query_norm, *key_norm, *feedforward_norm; /* query_norm and key_norm may be NULL */
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
    int64_t B, T, n_past, n_threads, path, n_last;    /* n_last: tokens of each row whose logits are wanted */
    float *x;                                         /* (N, C), the embeddings; afterwards the residual stream */
    const float *cos, *sin;                           /* (T, D/2); of row b from b * angle_stride on */
    const uint8_t *mask;                              /* (T, S), likewise; NULL: token t sees n_past + t + 1 positions */
    int64_t angle_stride, mask_stride;
    void *keys, *values;                              /* (L, B, K, S, D) with these strides, in numbers */
    int64_t layer_stride, row_stride, head_stride, position_stride, cache_format;
    float *normed, *query, *key, *value, *mixed, *gate, *up, *scores; /* scores: (threads, S) */
    int8_t *codes;                                    /* the rounded input of a product, (columns / 32, N, 2, 32): high */
    float *scale;                                     /* bytes, then low ones; of each block the scale, and the sum of */
    int32_t *sum;                                     /* its integers */
    float *logits;                                    /* (B n_last, V rounded up to 16) */
} Call;

/* The sizes that `native.py` must agree with. */
int64_t minillm_layout(int which) {
    return which == 0 ? sizeof(Matrix) : which == 1 ? sizeof(Layer) : which == 2 ? sizeof(Model) : sizeof(Call);
}

INLINE uint32_t bits_of(float x) { uint32_t bits; memcpy(&bits, &x, 4); return bits; }
INLINE float from_bits(uint32_t bits) { float x; memcpy(&x, &bits, 4); return x; }
INLINE int32_t four_codes(const int8_t *codes) { int32_t four; memcpy(&four, codes, 4); return four; }
INLINE float from_bfloat16(const uint8_t *p) { uint16_t half; memcpy(&half, p, 2); return from_bits((uint32_t)half << 16); }

/* Adding 1.5 * 2^23 leaves no bits for a fraction: the sum's bits are those of 1.5 * 2^23 plus the nearest integer. */
INLINE int32_t nearest(float x) { return (int32_t)(bits_of(x + 12582912.0f) - 0x4B400000u); }

/* e^x = 2^k e^r with |r| <= ln(2) / 2, and six terms of a series for e^r: within 2e-7 of expf, and it vectorizes. */
INLINE float exponential(float x) {
    x = x < -87.0f ? -87.0f : x > 88.0f ? 88.0f : x;
    int32_t k = nearest(x * 1.44269504f);
    float r = x - k * 0.69314718f;
    float p = 1 + r * (1 + r * (0.5f + r * (1 / 6.0f + r * (1 / 24.0f + r * (1 / 120.0f + r * (1 / 720.0f))))));
    return p * from_bits((uint32_t)(k + 127) << 23);
}

/* ---- numbers in the cache: 0 float32, 1 bfloat16, 2 float16 ---- */

INLINE float load(const void *numbers, int64_t i, int format) {
    if (format == 0) return ((const float *)numbers)[i];
    uint32_t half = ((const uint16_t *)numbers)[i];
    if (format == 1) return from_bits(half << 16);
    /* float16 has 5 bits of exponent with bias 15, float32 has 8 with bias 127: shift the bits, then multiply. */
    float magnitude = from_bits((half & 0x7fff) << 13) * 0x1p112f;
    return half & 0x8000 ? -magnitude : magnitude;
}

INLINE void store(void *numbers, int64_t i, float x, int format) {
    if (format == 0) { ((float *)numbers)[i] = x; return; }
    uint32_t bits = bits_of(x), half;
    if (format == 1) half = x != x ? 0x7fc0 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16; /* to the nearest, ties to even */
    else {
        float magnitude = fabsf(x) < 65504.0f ? fabsf(x) : 65504.0f; /* the largest float16 */
        uint32_t scaled = bits_of(magnitude * 0x1p-112f);
        half = x != x ? 0x7e00 : (bits >> 16 & 0x8000) | (scaled + 0xfff + (scaled >> 13 & 1)) >> 13;
    }
    ((uint16_t *)numbers)[i] = (uint16_t)half;
}

/* ---- products: 16 rows of a matrix with `n` vectors, which is 1, TILE / 2 or TILE ---- */

/* From one vector on, which has N - 1 others in each block. */
typedef struct { const float *values; const int8_t *codes; const float *scale; const int32_t *sum; int64_t N; } Input;
typedef void Dot(const Matrix *m, int64_t group, Input in, int n, float out[TILE][ROWS]);

INLINE int64_t block_bytes(int64_t bits) { return bits == 4 ? 320 : bits == 8 ? 544 : 1024; }

INLINE void dot_bfloat16(const Matrix *m, int64_t group, Input in, int n, float out[TILE][ROWS]) {
    const uint8_t *p = m->blocks + group * (m->columns / BLOCK) * 1024;
    memset(out, 0, sizeof(float[TILE][ROWS]));
    for (int64_t column = 0; column < m->columns; column++, p += 2 * ROWS)
        for (int v = 0; v < n; v++)
            for (int r = 0; r < ROWS; r++)
                out[v][r] += in.values[v * m->columns + column] * from_bfloat16(p + 2 * r);
}

/* The form to read; the others compute the same integers. */
static void dot_plain(const Matrix *m, int64_t group, Input in, int n, float out[TILE][ROWS]) {
    if (m->bits == 16) { dot_bfloat16(m, group, in, n, out); return; }
    int64_t n_blocks = m->columns / BLOCK, bytes = block_bytes(m->bits);
    memset(out, 0, sizeof(float[TILE][ROWS]));
    for (int64_t b = 0; b < n_blocks; b++) {
        const uint8_t *p = m->blocks + (group * n_blocks + b) * bytes, *end = p + 64 * m->bits;
        int32_t parts[TILE][ROWS] = {{0}};
        for (int j = 0; j < 8; j++) {
            int16_t w[4 * ROWS]; /* four columns of 16 rows */
            if (m->bits == 8) for (int i = 0; i < 64; i++) w[i] = p[64 * j + i] - 128;
            else if (j % 2 == 0) for (int i = 0; i < 64; i++) w[i] = (p[32 * j + i] & 15) - 8;
            else for (int i = 0; i < 64; i++) w[i] = (p[32 * (j - 1) + i] >> 4) - 8;
            for (int v = 0; v < n; v++) {
                const int8_t *high = in.codes + 2 * BLOCK * (b * in.N + v) + 4 * j, *low = high + BLOCK;
                for (int i = 0; i < 4; i++)
                    for (int r = 0; r < ROWS; r++) parts[v][r] += w[4 * r + i] * (128 * high[i] + low[i]);
            }
        }
        for (int v = 0; v < n; v++)
            for (int r = 0; r < ROWS; r++) {
                float product = from_bfloat16(end + 2 * r) * parts[v][r];
                if (m->bits == 4) product += from_bfloat16(end + 32 + 2 * r) * in.sum[b * in.N + v];
                out[v][r] += product * in.scale[b * in.N + v];
            }
    }
}

#if defined(__x86_64__)
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")))
#define AVX2 __attribute__((target("avx2,fma")))

AVX512 INLINE __m512 sixteen(const uint8_t *p) { /* numbers in bfloat16, as float32 */
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p)), 16));
}

/* vpdpbusd multiplies 64 unsigned bytes with 64 signed ones and adds each four products to a 32-bit sum: four columns of
16 rows. Codes are unsigned, so what they are too large by, 8 or 128, times the sum of the vector is taken off. */
AVX512 INLINE void tile_avx512(const Matrix *m, int64_t group, Input in, int n, int bits, float out[TILE][ROWS]) {
    int64_t n_blocks = m->columns / BLOCK;
    const uint8_t *p = m->blocks + group * n_blocks * block_bytes(bits);
    __m512 total[TILE];
    for (int v = 0; v < n; v++) total[v] = _mm512_setzero_ps();
    for (int64_t b = 0; b < n_blocks; b++, p += block_bytes(bits)) {
        __m512i high[TILE], low[TILE], packed = _mm512_setzero_si512(), w;
        for (int v = 0; v < n; v++) high[v] = low[v] = _mm512_setzero_si512();
#pragma GCC unroll 8
        for (int j = 0; j < 8; j++) {
            if (bits == 8 || j % 2 == 0) packed = _mm512_loadu_si512(p + 64 * (bits == 8 ? j : j / 2));
            w = bits == 8 ? packed : j % 2 ? _mm512_srli_epi16(packed, 4) : packed;
            if (bits == 4) w = _mm512_and_si512(w, _mm512_set1_epi8(15));
            for (int v = 0; v < n; v++) {
                const int8_t *x = in.codes + 2 * BLOCK * (b * in.N + v) + 4 * j;
                high[v] = _mm512_dpbusd_epi32(high[v], w, _mm512_set1_epi32(four_codes(x)));
                low[v] = _mm512_dpbusd_epi32(low[v], w, _mm512_set1_epi32(four_codes(x + BLOCK)));
            }
        }
        __m512 scale = sixteen(p + 64 * bits), zero = _mm512_setzero_ps();
        if (bits == 4) zero = _mm512_fmadd_ps(_mm512_set1_ps(-8), scale, sixteen(p + 64 * bits + 32));
        for (int v = 0; v < n; v++) {
            __m512i sum = _mm512_set1_epi32(in.sum[b * in.N + v]);
            if (bits == 8) high[v] = _mm512_sub_epi32(high[v], sum);
            __m512i part = _mm512_add_epi32(_mm512_slli_epi32(high[v], 7), low[v]);
            __m512 product = _mm512_mul_ps(scale, _mm512_cvtepi32_ps(part));
            if (bits == 4) product = _mm512_fmadd_ps(zero, _mm512_cvtepi32_ps(sum), product);
            total[v] = _mm512_fmadd_ps(product, _mm512_set1_ps(in.scale[b * in.N + v]), total[v]);
        }
    }
    for (int v = 0; v < n; v++) _mm512_storeu_ps(out[v], total[v]);
}

AVX2 INLINE __m256 eight(const uint8_t *p) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p)), 16));
}

/* maddubs adds two products in 16 bits and saturates. Eight pairs of 4-bit codes stay below (8 * 2 * 15 * 127 = 30480).
With 8 bits it gets |code| and the vector with the code's sign, at most 2 * 128 * 127 = 32512, and is widened at once. */
AVX2 INLINE __m256i add_products(__m256i sum, __m256i w, int32_t four, int bits) {
    __m256i x = _mm256_set1_epi32(four);
    if (bits == 4) return _mm256_add_epi16(sum, _mm256_maddubs_epi16(w, x));
    __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

AVX2 INLINE __m256i in_32_bits(__m256i sum, int bits) {
    return bits == 4 ? _mm256_madd_epi16(sum, _mm256_set1_epi16(1)) : sum;
}

AVX2 INLINE void tile_avx2(const Matrix *m, int64_t group, Input in, int n, int bits, float out[TILE][ROWS]) {
    int64_t n_blocks = m->columns / BLOCK;
    for (int side = 0; side < 2; side++) { /* eight rows at a time */
        const uint8_t *p = m->blocks + group * n_blocks * block_bytes(bits);
        __m256 total[TILE];
        for (int v = 0; v < n; v++) total[v] = _mm256_setzero_ps();
        for (int64_t b = 0; b < n_blocks; b++, p += block_bytes(bits)) {
            __m256i high[TILE], low[TILE], packed = _mm256_setzero_si256(), w;
            for (int v = 0; v < n; v++) high[v] = low[v] = _mm256_setzero_si256();
#pragma GCC unroll 8
            for (int j = 0; j < 8; j++) {
                const uint8_t *from = p + 64 * (bits == 8 ? j : j / 2) + 32 * side;
                if (bits == 8 || j % 2 == 0) packed = _mm256_loadu_si256((const __m256i *)from);
                w = bits == 4 && j % 2 ? _mm256_srli_epi16(packed, 4) : packed;
                w = bits == 4 ? _mm256_and_si256(w, _mm256_set1_epi8(15)) : _mm256_xor_si256(w, _mm256_set1_epi8(-128));
                for (int v = 0; v < n; v++) {
                    const int8_t *x = in.codes + 2 * BLOCK * (b * in.N + v) + 4 * j;
                    high[v] = add_products(high[v], w, four_codes(x), bits);
                    low[v] = add_products(low[v], w, four_codes(x + BLOCK), bits);
                }
            }
            const uint8_t *end = p + 64 * bits + 16 * side;
            for (int v = 0; v < n; v++) {
                int32_t sum = in.sum[b * in.N + v];
                __m256i part = _mm256_slli_epi32(in_32_bits(high[v], bits), 7);
                part = _mm256_add_epi32(part, in_32_bits(low[v], bits));
                if (bits == 4) part = _mm256_sub_epi32(part, _mm256_set1_epi32(8 * sum));
                __m256 product = _mm256_mul_ps(eight(end), _mm256_cvtepi32_ps(part));
                if (bits == 4) product = _mm256_fmadd_ps(eight(end + 32), _mm256_set1_ps((float)sum), product);
                total[v] = _mm256_fmadd_ps(product, _mm256_set1_ps(in.scale[b * in.N + v]), total[v]);
            }
        }
        for (int v = 0; v < n; v++) _mm256_storeu_ps(out[v] + 8 * side, total[v]);
    }
}

#elif defined(__aarch64__)
#if defined(__ARM_FEATURE_DOTPROD)
#define NEON /* the compiler was told so, as on a Mac */
#else
#define NEON __attribute__((target("+dotprod")))
#endif

NEON INLINE float32x4_t four(const uint8_t *p) {
    return vreinterpretq_f32_u32(vshll_n_u16(vreinterpret_u16_u8(vld1_u8(p)), 16));
}

/* sdot multiplies 16 signed bytes with 16 others and adds each four products to a 32-bit sum: four columns of 4 rows. */
NEON INLINE void tile_neon(const Matrix *m, int64_t group, Input in, int n, int bits, float out[TILE][ROWS]) {
    int64_t n_blocks = m->columns / BLOCK;
    for (int quarter = 0; quarter < 4; quarter++) { /* four rows at a time */
        const uint8_t *p = m->blocks + group * n_blocks * block_bytes(bits);
        float32x4_t total[TILE];
        for (int v = 0; v < n; v++) total[v] = vdupq_n_f32(0);
        for (int64_t b = 0; b < n_blocks; b++, p += block_bytes(bits)) {
            int32x4_t high[TILE], low[TILE];
            uint8x16_t packed = vdupq_n_u8(0);
            for (int v = 0; v < n; v++) high[v] = low[v] = vdupq_n_s32(0);
#pragma GCC unroll 8
            for (int j = 0; j < 8; j++) {
                if (bits == 8 || j % 2 == 0) packed = vld1q_u8(p + 64 * (bits == 8 ? j : j / 2) + 16 * quarter);
                uint8x16_t code = bits == 8 ? packed : j % 2 ? vshrq_n_u8(packed, 4) : vandq_u8(packed, vdupq_n_u8(15));
                int8x16_t w = vreinterpretq_s8_u8(vsubq_u8(code, vdupq_n_u8(bits == 4 ? 8 : 128)));
                for (int v = 0; v < n; v++) {
                    const int8_t *x = in.codes + 2 * BLOCK * (b * in.N + v) + 4 * j;
                    high[v] = vdotq_s32(high[v], w, vreinterpretq_s8_s32(vdupq_n_s32(four_codes(x))));
                    low[v] = vdotq_s32(low[v], w, vreinterpretq_s8_s32(vdupq_n_s32(four_codes(x + BLOCK))));
                }
            }
            const uint8_t *end = p + 64 * bits + 8 * quarter;
            for (int v = 0; v < n; v++) {
                int32x4_t part = vaddq_s32(vshlq_n_s32(high[v], 7), low[v]);
                float32x4_t product = vmulq_f32(four(end), vcvtq_f32_s32(part));
                if (bits == 4) product = vfmaq_n_f32(product, four(end + 32), (float)in.sum[b * in.N + v]);
                total[v] = vfmaq_n_f32(total[v], product, in.scale[b * in.N + v]);
            }
        }
        for (int v = 0; v < n; v++) vst1q_f32(out[v] + 4 * quarter, total[v]);
    }
}
#endif

/* Bits and vectors are constants in each call, so the compiler unrolls the loops over them. */
#define DOT(target, name, tile, most) \
    target static void name(const Matrix *m, int64_t group, Input in, int n, float out[TILE][ROWS]) { \
        if (m->bits == 16) dot_bfloat16(m, group, in, n, out); \
        else if (m->bits == 4) n == 1 ? tile(m, group, in, 1, 4, out) : n < most ? tile(m, group, in, TILE / 2, 4, out) \
            : tile(m, group, in, most, 4, out); \
        else n == 1 ? tile(m, group, in, 1, 8, out) : n < most ? tile(m, group, in, TILE / 2, 8, out) \
            : tile(m, group, in, most, 8, out); \
    }
#if defined(__x86_64__)
DOT(AVX512, dot_avx512, tile_avx512, TILE)
DOT(AVX2, dot_avx2, tile_avx2, TILE / 2)
#elif defined(__aarch64__)
DOT(NEON, dot_neon, tile_neon, TILE)
#endif

/* ---- threads: every step starts its own, which costs some 20 microseconds and leaves nothing behind for a fork, a
second model or Ctrl-C to meet; within the step they wait for each other at barriers ---- */

typedef struct Team Team;
struct Team {
    const Model *model;
    const Call *call;
    Dot *dot;
    void (*run)(Team *, int);
    atomic_int size, arrived, phase; /* size 0: not all threads have started */
};
typedef struct { Team *team; int me; } Member;

static void wait_while(atomic_int *number, int value) {
    for (int spins = 0; atomic_load_explicit(number, memory_order_acquire) == value; spins++) {
        if (spins > 200) sched_yield(); /* the other thread may be waiting for this very core */
#if defined(__x86_64__)
        else _mm_pause();
#endif
    }
}

static void barrier(Team *team) {
    int phase = atomic_load(&team->phase);
    if (atomic_fetch_add(&team->arrived, 1) == atomic_load(&team->size) - 1) {
        atomic_store(&team->arrived, 0);
        atomic_store(&team->phase, phase + 1);
    } else wait_while(&team->phase, phase);
}

/* ---- the step ---- */

INLINE void normalize(const float *x, const float *weight, int64_t n, double eps, float *y) {
    float squares = 0;
    for (int64_t i = 0; i < n; i++) squares += x[i] * x[i];
    float factor = 1 / sqrtf(squares / n + (float)eps);
    for (int64_t i = 0; i < n; i++) y[i] = x[i] * factor * weight[i];
}

/* Round n numbers of one of N vectors, from column `first` on. */
INLINE void quantize(const Call *c, const float *x, int64_t number, int64_t N, int64_t first, int64_t n) {
    for (; n > 0; n -= BLOCK, x += BLOCK, first += BLOCK) {
        int64_t block = first / BLOCK * N + number;
        int8_t *high = c->codes + 2 * BLOCK * block, *low = high + BLOCK;
        uint32_t bits = 0; /* without the sign, bits are in the order of the numbers: the largest |x|, or NaN */
        for (int i = 0; i < BLOCK; i++) bits = (bits_of(x[i]) & 0x7fffffff) > bits ? bits_of(x[i]) & 0x7fffffff : bits;
        float largest = from_bits(bits), inverse = largest > 1e-30f ? LARGEST / largest : 0;
        int32_t sum = 0;
        for (int i = 0; i < BLOCK; i++) {
            int16_t code = (int16_t)nearest(x[i] * inverse);
            sum += code;
            high[i] = (int8_t)((code + 64) >> 7);        /* -127 .. 127 */
            low[i] = (int8_t)(code - 128 * high[i]);     /* -64 .. 63 */
        }
        c->scale[block] = largest / LARGEST;
        c->sum[block] = sum;
    }
}

/* This thread's rows, in units of 32, so that what it wrote it can also round. */
INLINE void share(int64_t rows, int me, int size, int64_t *first, int64_t *last) {
    int64_t units = (rows + 31) / 32;
    *first = 32 * (units * me / size);
    *last = 32 * (units * (me + 1) / size);
    if (*last > rows) *last = (rows + ROWS - 1) / ROWS * ROWS;
}

/* y = W x + bias for every vector, or added to y, which has `stride` numbers per vector. */
static void product(Team *team, int me, const Matrix *m, const float *values, int64_t N, float *y, int64_t stride, int add) {
    const Call *c = team->call;
    int64_t first, last, most = c->path == 1 ? TILE / 2 : TILE;
    float out[TILE][ROWS];
    share(m->rows, me, team->size, &first, &last);
    for (int64_t row = first; row < last; row += ROWS)
        for (int64_t n = 0, count; n < N; n += count) {
            count = N - n >= most ? most : N - n >= TILE / 2 ? TILE / 2 : 1;
            Input in = {values + n * m->columns, c->codes + 2 * BLOCK * n, c->scale + n, c->sum + n, N};
            team->dot(m, row / ROWS, in, (int)count, out);
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

INLINE int64_t cached(const Call *c, int64_t layer, int64_t n, int64_t head) {
    return layer * c->layer_stride + n / c->T * c->row_stride + head * c->head_stride;
}

INLINE void attend(const Model *m, const Call *c, int64_t layer, int64_t n, int64_t head, float *scores, int format) {
    int64_t t = n % c->T, D = m->D, S = c->n_past + (c->mask ? c->T : t + 1), group = head / (m->H / m->K);
    int64_t at = cached(c, layer, n, group), step = c->position_stride;
    const uint8_t *mask = c->mask ? c->mask + n / c->T * c->mask_stride + t * S : NULL;
    const float *query = c->query + (n * m->H + head) * D;
    float *mixed = c->mixed + (n * m->H + head) * D, largest = -INFINITY, total = 0, factor = 1 / sqrtf((float)D);
    for (int64_t s = 0; s < S; s++) {
        float score = 0;
        for (int64_t i = 0; i < D; i++) score += query[i] * load(c->keys, at + s * step + i, format);
        scores[s] = score * factor;
        if ((!mask || mask[s]) && scores[s] > largest) largest = scores[s];
    }
    for (int64_t s = 0; s < S; s++) scores[s] = exponential(scores[s] - largest);
    for (int64_t s = 0; mask && s < S; s++) scores[s] = mask[s] ? scores[s] : 0;
    for (int64_t s = 0; s < S; s++) total += scores[s];
    memset(mixed, 0, D * sizeof(float));
    for (int64_t s = 0; s < S; s++)
        for (int64_t i = 0; i < D; i++) mixed[i] += scores[s] / total * load(c->values, at + s * step + i, format);
}

INLINE void attention(Team *team, int me, int64_t l, int format) {
    const Model *m = team->model;
    const Call *c = team->call;
    const Layer *layer = m->layers + l;
    int64_t N = c->B * c->T, D = m->D, heads = m->H + m->K;
    /* 1. queries stay where they are; keys and values go into the cache */
    for (int64_t item = me; item < N * heads; item += team->size) {
        int64_t n = item / heads, head = item % heads, group = head - m->H;
        if (group < 0) { rotate(m, c, c->query + (n * m->H + head) * D, layer->query_norm, n); continue; }
        float *key = c->key + (n * m->K + group) * D, *value = c->value + (n * m->K + group) * D;
        int64_t at = cached(c, l, n, group) + (c->n_past + n % c->T) * c->position_stride;
        rotate(m, c, key, layer->key_norm, n);
        for (int64_t i = 0; i < D; i++) store(c->keys, at + i, key[i], format);
        for (int64_t i = 0; i < D; i++) store(c->values, at + i, value[i], format);
    }
    barrier(team);
    /* 2. scores, softmax, mean */
    float *scores = c->scores + me * (c->n_past + c->T);
    for (int64_t item = me; item < N * m->H; item += team->size)
        attend(m, c, l, item / m->H, item % m->H, scores, format);
    barrier(team);
}

/* `normed` and its codes, of the last `count` tokens in each row of the residual stream. */
INLINE void prepare(Team *team, int me, const float *weight, int64_t count) {
    const Call *c = team->call;
    int64_t C = team->model->C;
    for (int64_t n = me; n < c->B * count; n += team->size) {
        int64_t from = n / count * c->T + c->T - count + n % count;
        normalize(c->x + from * C, weight, C, team->model->eps, c->normed + n * C);
        quantize(c, c->normed + n * C, n, c->B * count, 0, C);
    }
    barrier(team);
}

INLINE void run(Team *team, int me) {
    const Model *m = team->model;
    const Call *c = team->call;
    int64_t N = c->B * c->T, C = m->C, F = m->F, HD = m->H * m->D, KD = m->K * m->D, first, last;
    int size = atomic_load(&team->size);
    for (int64_t l = 0; l < m->L; l++) {
        const Layer *layer = m->layers + l;
        /* x += output(attention(norm(x))) */
        prepare(team, me, layer->attention_norm, c->T);
        product(team, me, &layer->query, c->normed, N, c->query, HD, 0);
        product(team, me, &layer->key, c->normed, N, c->key, KD, 0);
        product(team, me, &layer->value, c->normed, N, c->value, KD, 0);
        barrier(team);
        if (c->cache_format == 0) attention(team, me, l, 0);
        else if (c->cache_format == 1) attention(team, me, l, 1);
        else attention(team, me, l, 2);
        for (int64_t n = me; n < N; n += size) quantize(c, c->mixed + n * HD, n, N, 0, HD);
        barrier(team);
        product(team, me, &layer->output, c->mixed, N, c->x, C, 1);
        barrier(team);
        /* x += down(silu(gate(norm(x))) * up(norm(x))) */
        prepare(team, me, layer->feedforward_norm, c->T);
        product(team, me, &layer->gate, c->normed, N, c->gate, F, 0);
        product(team, me, &layer->up, c->normed, N, c->up, F, 0);
        barrier(team); /* the others still read the codes of `normed` */
        share(F, me, size, &first, &last);
        for (int64_t n = 0; n < N; n++) {
            float *gate = c->gate + n * F, *up = c->up + n * F;
            for (int64_t i = first; i < last; i++) gate[i] = gate[i] / (1 + exponential(-gate[i])) * up[i];
            quantize(c, gate + first, n, N, first, last - first);
        }
        barrier(team);
        product(team, me, &layer->down, c->gate, N, c->x, C, 1);
        barrier(team);
    }
    prepare(team, me, m->final_norm, c->n_last);
    product(team, me, &m->head, c->normed, c->B * c->n_last, c->logits, (m->head.rows + ROWS - 1) / ROWS * ROWS, 0);
}

/* The same step three times: what is written in plain C above is vectorized for each target, too. */
static void run_plain(Team *team, int me) { run(team, me); }
#if defined(__x86_64__)
AVX2 static void run_avx2(Team *team, int me) { run(team, me); }
AVX512 static void run_avx512(Team *team, int me) { run(team, me); }
#endif

#if defined(__x86_64__)
/* Asked of the processor itself, for in zig 0.17 __builtin_cpu_supports knows nothing. The operating system must keep
   the registers, too: bits 1 and 2 of XCR0 stand for those of AVX, 5 to 7 for those of AVX512. */
static int has_instructions(int path) {
    const unsigned avx512 = bit_AVX512F | bit_AVX512DQ | bit_AVX512BW | bit_AVX512VL;
    unsigned a, b, c, d, kept, high;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE) || !(c & bit_FMA)) return 0;
    __asm__("xgetbv" : "=a"(kept), "=d"(high) : "c"(0));
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & bit_AVX2) || (kept & 0x06) != 0x06) return 0;
    return path == 1 || ((b & avx512) == avx512 && c & bit_AVX512VNNI && (kept & 0xe6) == 0xe6);
}
#endif

/* Whether this processor can run a code path: 0 plain C, 1 AVX2, 2 AVX512-VNNI, 3 NEON with dot products. */
int minillm_has_path(int path) {
#if defined(__x86_64__)
    if (path == 1 || path == 2) return has_instructions(path);
#elif defined(__aarch64__) && defined(__linux__)
    if (path == 3) return (getauxval(AT_HWCAP) & 1 << 20) != 0; /* HWCAP_ASIMDDP */
#elif defined(__ARM_FEATURE_DOTPROD)
    if (path == 3) return 1;
#endif
    return path == 0;
}

static void *start(void *argument) {
    Member *member = argument;
    wait_while(&member->team->size, 0);
    member->team->run(member->team, member->me);
    return NULL;
}

void minillm_step(const Model *model, const Call *call) {
    Team team = {model, call, dot_plain, run_plain, 0, 0, 0};
#if defined(__x86_64__)
    if (call->path == 1) { team.dot = dot_avx2; team.run = run_avx2; }
    if (call->path == 2) { team.dot = dot_avx512; team.run = run_avx512; }
#elif defined(__aarch64__)
    if (call->path == 3) team.dot = dot_neon;
#endif
    pthread_t threads[MOST_THREADS];
    Member members[MOST_THREADS];
    sigset_t all, before;
    int size = 1;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals such as Ctrl-C are for the thread that called */
    for (; size < call->n_threads && size < MOST_THREADS; size++) {
        members[size] = (Member){&team, size};
        if (pthread_create(&threads[size], NULL, start, &members[size])) break; /* no more to be had: fewer will do */
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    atomic_store(&team.size, size);
    team.run(&team, 0);
    for (int i = 1; i < size; i++) pthread_join(threads[i], NULL);
}
