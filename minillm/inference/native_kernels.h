/* The product of a packed matrix with vectors, by the instructions of each processor.

`native.c` includes this file. Its `dot_plain` computes the same products in plain C: read that
first. The functions here exist for speed alone. They differ from it in how many rows and columns
they take at once; the integers that they add up are the same.

1. the packed layout: what a block of a matrix holds, and how an input is rounded
2. AVX512 with VNNI (x86-64): dot_avx512
3. AVX2 (x86-64): dot_avx2
4. NEON with dot products (64-bit ARM): dot_neon
5. what this processor can run */

#ifndef MINILLM_NATIVE_KERNELS_H
#define MINILLM_NATIVE_KERNELS_H

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

/* ---- 1. the packed layout ----

A matrix is stored in groups of 16 rows and blocks of 32 columns, in the order in which a product
reads them: all blocks of the first 16 rows, then all blocks of the next 16. So a product reads
memory from front to back, once, and one 512-bit register holds the 16 sums of a group. One block of
one group holds

    4 bits    320 bytes   4 x 64 bytes of codes, 16 scales, 16 zeros: scale (code - 8) + zero
    8 bits    544 bytes   8 x 64 bytes of codes, 16 scales:           scale (code - 128)
    16 bits  1024 bytes   32 columns of 16 weights in bfloat16
    32 bits  2048 bytes   32 columns of 16 weights in float32

with scales and zeros in bfloat16, one per row. 64 bytes of 8-bit codes are 16 rows of 4 columns:
byte 4r + i is row r, column i. With 4 bits, the low halves of 64 bytes are columns 8j to 8j + 3,
and the high halves are the next four: one load and a shift give twice 64 codes.

`native_weights.py` writes this layout. */

#define BLOCK 32 /* columns that share a scale */
#define ROWS 16  /* rows in a group */
#define TILE 8   /* most vectors in one pass over the weights; half in AVX2, with 16 registers */
#define AHEAD 8192 /* bytes: how far before their use weights are asked of the memory */

typedef struct {
    const uint8_t *blocks;
    const float *bias; /* may be NULL */
    int64_t rows, columns, bits;
} Matrix;

/* What a product reads of its vectors, from one of them on. N is the number of all vectors, since
   block b of all of them comes before block b + 1 of any. Each integer of the rounded input is 128
   high + low, and a block of one vector has 32 high bytes, then 32 low ones. */
typedef struct {
    const float *values; /* as they were; for matrices of 16 and 32 bits */
    const int8_t *codes; /* rounded to integers */
    const float *scale;  /* of each block */
    const int32_t *sum;  /* of the integers in each block; zeros of 4-bit weights multiply it */
    int64_t N;
} Input;

/* 16 rows of a matrix times `n` vectors, which is 1, TILE / 2 or TILE. */
typedef void Dot(const Matrix *m, int64_t group, Input in, int n, float out[TILE][ROWS]);

INLINE int64_t block_bytes(int64_t bits) { return bits == 4 ? 320 : bits == 8 ? 544 : 64 * bits; }

/* Bytes as numbers of another type: memcpy is how C spells it, and compiles to nothing. */
INLINE uint32_t bits_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    return bits;
}

INLINE float from_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, 4);
    return x;
}

INLINE int32_t four_codes(const int8_t *codes) {
    int32_t four;
    memcpy(&four, codes, 4);
    return four;
}

/* bfloat16 is the upper half of a float32. */
INLINE float from_bfloat16(const uint8_t *p) {
    uint16_t half;
    memcpy(&half, p, 2);
    return from_bits((uint32_t)half << 16);
}

/* Where a group begins. */
INLINE const uint8_t *group_of(const Matrix *m, int64_t group, int bits) {
    return m->blocks + group * (m->columns / BLOCK) * block_bytes(bits);
}

/* Ask for one block of weights, which may lie past the end: then nothing happens. By itself a
   processor seldom looks further than a page of 4,096 bytes. */
INLINE void prefetch(const uint8_t *block, int64_t bits) {
    for (int64_t line = 0; line < block_bytes(bits); line += 64)
        __builtin_prefetch(block + AHEAD + line);
}

/* DOT makes a `Dot` of two tiles: one for codes (4 and 8 bits), one for numbers (16 and 32). Bits
   and the number of vectors are constants in each call of a tile, which is inlined: so the compiler
   unrolls its loops, keeps its arrays in registers and drops the branches of the other format. */
#define DOT_OF(tile, bits, most)                                        \
    {                                                                   \
        if (n == 1) tile(m, group, in, 1, bits, out);                   \
        else if (n < most) tile(m, group, in, TILE / 2, bits, out);     \
        else tile(m, group, in, most, bits, out);                       \
    }

#define DOT(target, name, codes, numbers, most)                              \
    target static void name(const Matrix *m, int64_t group, Input in, int n, \
                            float out[TILE][ROWS]) {                         \
        if (m->bits == 4) DOT_OF(codes, 4, most)                             \
        else if (m->bits == 8) DOT_OF(codes, 8, most)                        \
        else if (m->bits == 16) DOT_OF(numbers, 16, most)                    \
        else DOT_OF(numbers, 32, most)                                       \
    }

#if defined(__x86_64__)

/* ---- 2. AVX512 with VNNI: 16 rows at a time ---- */

/* One library holds the code for every processor: what needs AVX512 is compiled for it, and called
   only where it is. */
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")))

AVX512 INLINE __m512 sixteen_bfloat16(const uint8_t *p) {
    __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}

/* vpdpbusd multiplies 64 unsigned bytes with 64 signed ones and adds each four products to a 32-bit
   sum: four columns of 16 rows. Codes are unsigned, so what they are too large by, 8 or 128, times
   the sum of the vector is taken off. */
AVX512 INLINE void tile_avx512(const Matrix *m, int64_t group, Input in, int n, int bits,
                               float out[TILE][ROWS]) {
    int64_t n_blocks = m->columns / BLOCK;
    const uint8_t *p = group_of(m, group, bits);
    __m512 total[TILE];
    for (int v = 0; v < n; v++) total[v] = _mm512_setzero_ps();
    for (int64_t b = 0; b < n_blocks; b++, p += block_bytes(bits)) {
        __m512i high[TILE], low[TILE], packed = _mm512_setzero_si512(), w;
        prefetch(p, bits);
        for (int v = 0; v < n; v++) high[v] = low[v] = _mm512_setzero_si512();
        /* the integers: four columns in each round, which in 4 bits share a load with the next
           four */
#pragma GCC unroll 8
        for (int j = 0; j < 8; j++) {
            const uint8_t *from = p + 64 * (bits == 8 ? j : j / 2);
            if (bits == 8 || j % 2 == 0) packed = _mm512_loadu_si512(from);
            w = bits == 8 ? packed : j % 2 ? _mm512_srli_epi16(packed, 4) : packed;
            if (bits == 4) w = _mm512_and_si512(w, _mm512_set1_epi8(15));
            for (int v = 0; v < n; v++) {
                const int8_t *x = in.codes + 2 * BLOCK * (b * in.N + v) + 4 * j;
                high[v] = _mm512_dpbusd_epi32(high[v], w, _mm512_set1_epi32(four_codes(x)));
                low[v] = _mm512_dpbusd_epi32(low[v], w, _mm512_set1_epi32(four_codes(x + BLOCK)));
            }
        }
        /* their scales: in 4 bits, scale (code - 8) + zero = scale code + (zero - 8 scale) */
        __m512 scale = sixteen_bfloat16(p + 64 * bits), zero = _mm512_setzero_ps();
        if (bits == 4)
            zero = _mm512_fmadd_ps(_mm512_set1_ps(-8), scale, sixteen_bfloat16(p + 64 * bits + 32));
        for (int v = 0; v < n; v++) {
            __m512i sum = _mm512_set1_epi32(in.sum[b * in.N + v]);
            if (bits == 8) high[v] = _mm512_sub_epi32(high[v], sum); /* 128 (high - sum) + low */
            __m512i part = _mm512_add_epi32(_mm512_slli_epi32(high[v], 7), low[v]);
            __m512 product = _mm512_mul_ps(scale, _mm512_cvtepi32_ps(part));
            if (bits == 4) product = _mm512_fmadd_ps(zero, _mm512_cvtepi32_ps(sum), product);
            total[v] = _mm512_fmadd_ps(product, _mm512_set1_ps(in.scale[b * in.N + v]), total[v]);
        }
    }
    for (int v = 0; v < n; v++) _mm512_storeu_ps(out[v], total[v]);
}

/* Weights that are numbers: one product and sum per column and vector. A single vector has four
   sums, of every fourth column, since an addition waits for the one before it in the same sum. */
AVX512 INLINE void numbers_avx512(const Matrix *m, int64_t group, Input in, int n, int bits,
                                  float out[TILE][ROWS]) {
    const uint8_t *p = group_of(m, group, bits);
    const int sums = n == 1 ? 4 : 1;
    __m512 total[TILE];
    for (int i = 0; i < TILE; i++) total[i] = _mm512_setzero_ps();
    for (int64_t column = 0; column < m->columns; column += sums)
        for (int i = 0; i < sums; i++, p += ROWS * bits / 8) {
            __builtin_prefetch(p + AHEAD);
            __m512 w = bits == 16 ? sixteen_bfloat16(p) : _mm512_loadu_ps(p);
            for (int v = 0; v < n; v++) {
                __m512 x = _mm512_set1_ps(in.values[v * m->columns + column + i]);
                total[v + i] = _mm512_fmadd_ps(w, x, total[v + i]);
            }
        }
    for (int i = 1; i < sums; i++) total[0] = _mm512_add_ps(total[0], total[i]);
    for (int v = 0; v < n; v++) _mm512_storeu_ps(out[v], total[v]);
}

DOT(AVX512, dot_avx512, tile_avx512, numbers_avx512, TILE)

/* ---- 3. AVX2: eight rows at a time ---- */

#define AVX2 __attribute__((target("avx2,fma")))

AVX2 INLINE __m256 eight_bfloat16(const uint8_t *p) {
    __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}

/* maddubs multiplies unsigned bytes with signed ones and adds two products in 16 bits, where they
   saturate. Eight pairs of 4-bit codes stay below that (8 * 2 * 15 * 127 = 30480). With 8 bits it
   gets |code| and the vector with the code's sign, at most 2 * 128 * 127 = 32512, and the pairs are
   widened to 32 bits at once. */
AVX2 INLINE __m256i add_products(__m256i sum, __m256i w, int32_t four, int bits) {
    __m256i x = _mm256_set1_epi32(four);
    if (bits == 4) return _mm256_add_epi16(sum, _mm256_maddubs_epi16(w, x));
    __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

AVX2 INLINE __m256i in_32_bits(__m256i sum, int bits) {
    return bits == 4 ? _mm256_madd_epi16(sum, _mm256_set1_epi16(1)) : sum;
}

AVX2 INLINE void tile_avx2(const Matrix *m, int64_t group, Input in, int n, int bits,
                           float out[TILE][ROWS]) {
    int64_t n_blocks = m->columns / BLOCK;
    for (int side = 0; side < 2; side++) { /* rows 0 to 7, then 8 to 15 */
        const uint8_t *p = group_of(m, group, bits);
        __m256 total[TILE];
        for (int v = 0; v < n; v++) total[v] = _mm256_setzero_ps();
        for (int64_t b = 0; b < n_blocks; b++, p += block_bytes(bits)) {
            __m256i high[TILE], low[TILE], packed = _mm256_setzero_si256(), w;
            if (side == 0) prefetch(p, bits);
            for (int v = 0; v < n; v++) high[v] = low[v] = _mm256_setzero_si256();
#pragma GCC unroll 8
            for (int j = 0; j < 8; j++) {
                const uint8_t *from = p + 64 * (bits == 8 ? j : j / 2) + 32 * side;
                if (bits == 8 || j % 2 == 0) packed = _mm256_loadu_si256((const __m256i *)from);
                w = bits == 4 && j % 2 ? _mm256_srli_epi16(packed, 4) : packed;
                if (bits == 4) w = _mm256_and_si256(w, _mm256_set1_epi8(15));
                else w = _mm256_xor_si256(w, _mm256_set1_epi8(-128)); /* code - 128, signed */
                for (int v = 0; v < n; v++) {
                    const int8_t *x = in.codes + 2 * BLOCK * (b * in.N + v) + 4 * j;
                    high[v] = add_products(high[v], w, four_codes(x), bits);
                    low[v] = add_products(low[v], w, four_codes(x + BLOCK), bits);
                }
            }
            const uint8_t *end = p + 64 * bits + 16 * side;
            for (int v = 0; v < n; v++) {
                int32_t sum = in.sum[b * in.N + v];
                __m256 scale = _mm256_set1_ps(in.scale[b * in.N + v]), zero = _mm256_setzero_ps();
                __m256i part = _mm256_slli_epi32(in_32_bits(high[v], bits), 7);
                part = _mm256_add_epi32(part, in_32_bits(low[v], bits));
                if (bits == 4) part = _mm256_sub_epi32(part, _mm256_set1_epi32(8 * sum));
                __m256 product = _mm256_mul_ps(eight_bfloat16(end), _mm256_cvtepi32_ps(part));
                if (bits == 4) zero = eight_bfloat16(end + 32);
                if (bits == 4) product = _mm256_fmadd_ps(zero, _mm256_set1_ps((float)sum), product);
                total[v] = _mm256_fmadd_ps(product, scale, total[v]);
            }
        }
        for (int v = 0; v < n; v++) _mm256_storeu_ps(out[v] + 8 * side, total[v]);
    }
}

/* As `numbers_avx512`, with two registers for 16 rows: two sums per vector. */
AVX2 INLINE void numbers_avx2(const Matrix *m, int64_t group, Input in, int n, int bits,
                              float out[TILE][ROWS]) {
    const uint8_t *p = group_of(m, group, bits);
    const int sums = n == 1 ? 4 : 1;
    __m256 total[TILE / 2][2];
    for (int i = 0; i < TILE / 2; i++) total[i][0] = total[i][1] = _mm256_setzero_ps();
    for (int64_t column = 0; column < m->columns; column += sums)
        for (int i = 0; i < sums; i++, p += ROWS * bits / 8) {
            __builtin_prefetch(p + AHEAD);
            __m256 first = bits == 16 ? eight_bfloat16(p) : _mm256_loadu_ps((const float *)p);
            const uint8_t *half = p + ROWS * bits / 16;
            __m256 second =
                bits == 16 ? eight_bfloat16(half) : _mm256_loadu_ps((const float *)half);
            for (int v = 0; v < n; v++) {
                __m256 x = _mm256_set1_ps(in.values[v * m->columns + column + i]);
                total[v + i][0] = _mm256_fmadd_ps(first, x, total[v + i][0]);
                total[v + i][1] = _mm256_fmadd_ps(second, x, total[v + i][1]);
            }
        }
    for (int side = 0; side < 2; side++) {
        for (int i = 1; i < sums; i++)
            total[0][side] = _mm256_add_ps(total[0][side], total[i][side]);
        for (int v = 0; v < n; v++) _mm256_storeu_ps(out[v] + 8 * side, total[v][side]);
    }
}

DOT(AVX2, dot_avx2, tile_avx2, numbers_avx2, TILE / 2)

#elif defined(__aarch64__)

/* ---- 4. NEON with dot products: four rows at a time ---- */

#if defined(__ARM_FEATURE_DOTPROD)
#define NEON /* the compiler was told so, as on a Mac */
#else
#define NEON __attribute__((target("+dotprod")))
#endif

NEON INLINE float32x4_t four_bfloat16(const uint8_t *p) {
    return vreinterpretq_f32_u32(vshll_n_u16(vreinterpret_u16_u8(vld1_u8(p)), 16));
}

/* sdot multiplies 16 signed bytes with 16 others and adds each four products to a 32-bit sum: four
   columns of four rows. Both are signed, so 8 or 128 is taken off the codes and nothing off the
   sums. */
NEON INLINE void tile_neon(const Matrix *m, int64_t group, Input in, int n, int bits,
                           float out[TILE][ROWS]) {
    int64_t n_blocks = m->columns / BLOCK;
    for (int quarter = 0; quarter < 4; quarter++) { /* rows 0 to 3, 4 to 7, ... */
        const uint8_t *p = group_of(m, group, bits);
        float32x4_t total[TILE];
        for (int v = 0; v < n; v++) total[v] = vdupq_n_f32(0);
        for (int64_t b = 0; b < n_blocks; b++, p += block_bytes(bits)) {
            int32x4_t high[TILE], low[TILE];
            uint8x16_t packed = vdupq_n_u8(0), code;
            for (int v = 0; v < n; v++) high[v] = low[v] = vdupq_n_s32(0);
#pragma GCC unroll 8
            for (int j = 0; j < 8; j++) {
                const uint8_t *from = p + 64 * (bits == 8 ? j : j / 2) + 16 * quarter;
                if (bits == 8 || j % 2 == 0) packed = vld1q_u8(from);
                if (bits == 8) code = packed;
                else code = j % 2 ? vshrq_n_u8(packed, 4) : vandq_u8(packed, vdupq_n_u8(15));
                int8x16_t w = vreinterpretq_s8_u8(vsubq_u8(code, vdupq_n_u8(bits == 4 ? 8 : 128)));
                for (int v = 0; v < n; v++) {
                    const int8_t *x = in.codes + 2 * BLOCK * (b * in.N + v) + 4 * j;
                    int32x4_t high_codes = vdupq_n_s32(four_codes(x));
                    int32x4_t low_codes = vdupq_n_s32(four_codes(x + BLOCK));
                    high[v] = vdotq_s32(high[v], w, vreinterpretq_s8_s32(high_codes));
                    low[v] = vdotq_s32(low[v], w, vreinterpretq_s8_s32(low_codes));
                }
            }
            const uint8_t *end = p + 64 * bits + 8 * quarter;
            for (int v = 0; v < n; v++) {
                int32x4_t part = vaddq_s32(vshlq_n_s32(high[v], 7), low[v]);
                float32x4_t product = vmulq_f32(four_bfloat16(end), vcvtq_f32_s32(part));
                float sum = (float)in.sum[b * in.N + v];
                if (bits == 4) product = vfmaq_n_f32(product, four_bfloat16(end + 32), sum);
                total[v] = vfmaq_n_f32(total[v], product, in.scale[b * in.N + v]);
            }
        }
        for (int v = 0; v < n; v++) vst1q_f32(out[v] + 4 * quarter, total[v]);
    }
}

/* As `numbers_avx512`, for eight rows at a time: with eight vectors these are 16 sums. */
NEON INLINE void numbers_neon(const Matrix *m, int64_t group, Input in, int n, int bits,
                              float out[TILE][ROWS]) {
    const int sums = n == 1 ? 4 : 1;
    for (int side = 0; side < 2; side++) { /* rows 0 to 7, then 8 to 15 */
        const uint8_t *p = group_of(m, group, bits) + side * bits;
        float32x4_t total[TILE][2];
        for (int i = 0; i < TILE; i++) total[i][0] = total[i][1] = vdupq_n_f32(0);
        for (int64_t column = 0; column < m->columns; column += sums)
            for (int i = 0; i < sums; i++, p += ROWS * bits / 8)
                for (int half = 0; half < 2; half++) {
                    const uint8_t *from = p + half * bits / 2;
                    float32x4_t w = bits == 16 ? four_bfloat16(from)
                                               : vreinterpretq_f32_u8(vld1q_u8(from));
                    for (int v = 0; v < n; v++) {
                        float x = in.values[v * m->columns + column + i];
                        total[v + i][half] = vfmaq_n_f32(total[v + i][half], w, x);
                    }
                }
        for (int half = 0; half < 2; half++) {
            for (int i = 1; i < sums; i++)
                total[0][half] = vaddq_f32(total[0][half], total[i][half]);
            for (int v = 0; v < n; v++) vst1q_f32(out[v] + 8 * side + 4 * half, total[v][half]);
        }
    }
}

DOT(NEON, dot_neon, tile_neon, numbers_neon, TILE)

#endif

/* ---- 5. what this processor can run: 0 plain C, 1 AVX2, 2 AVX512-VNNI, 3 NEON ---- */

#if defined(__x86_64__)
/* Asked of the processor itself, since in zig 0.17 __builtin_cpu_supports knows nothing. The
   operating system must keep the registers, too: bits 1 and 2 of XCR0 stand for those of AVX, 5 to
   7 for those of AVX512. */
static int has_instructions(int path) {
    const unsigned avx512 = bit_AVX512F | bit_AVX512DQ | bit_AVX512BW | bit_AVX512VL;
    unsigned a, b, c, d, kept, high;
    if (path == 0) return 1;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE) || !(c & bit_FMA)) return 0;
    __asm__("xgetbv" : "=a"(kept), "=d"(high) : "c"(0));
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    if (!(b & bit_AVX2) || (kept & 0x06) != 0x06) return 0;
    if (path == 1) return 1;
    return path == 2 && (b & avx512) == avx512 && c & bit_AVX512VNNI && (kept & 0xe6) == 0xe6;
}
#elif defined(__aarch64__) && defined(__linux__)
static int has_instructions(int path) {
    return path == 0 || (path == 3 && getauxval(AT_HWCAP) & 1 << 20); /* HWCAP_ASIMDDP */
}
#elif defined(__ARM_FEATURE_DOTPROD)
static int has_instructions(int path) { return path == 0 || path == 3; }
#else
static int has_instructions(int path) { return path == 0; }
#endif

/* Tell the processor that this thread only waits, so that one which shares its core gets more of
   it. */
INLINE void pause_briefly(void) {
#if defined(__x86_64__)
    _mm_pause();
#endif
}

#endif
