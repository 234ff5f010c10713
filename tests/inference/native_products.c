/* The products of native_kernels.h by its NEON path beside those in plain C, for a machine that can only emulate such a processor
(on one, test_native.py runs the whole step). Prints how many numbers were compared and their largest difference, as a
share of the largest number in the same product. */

#include "../../minillm/inference/native.c"
#include <stdio.h>
#include <stdlib.h>

#define MOST_BLOCKS 18

static uint8_t packed[MOST_BLOCKS * 2048];
static int8_t codes[MOST_BLOCKS * TILE * 2 * BLOCK];
static float values[TILE][MOST_BLOCKS * BLOCK], scales[MOST_BLOCKS * TILE];
static int32_t sums[MOST_BLOCKS * TILE];

static float uniform(void) { return 2.0f * rand() / (float)RAND_MAX - 1; }

static void put_bfloat16(uint8_t *to, float x) {
    uint16_t half = (uint16_t)(bits_of(x) >> 16);
    memcpy(to, &half, 2);
}

/* kind 0: random weights and inputs; 1 and 2: all codes at one limit, and inputs of the largest size, of either sign. */
static void fill(int64_t n_blocks, int64_t bits, int kind) {
    for (int64_t i = 0; bits >= 16 && i < n_blocks * BLOCK * ROWS; i++) {
        float weight = kind == 0 ? uniform() : kind == 1 ? -3.0f : 3.0f;
        if (bits == 16) put_bfloat16(packed + 2 * i, weight);
        else memcpy(packed + 4 * i, &weight, 4);
    }
    for (int64_t b = 0; bits < 16 && b < n_blocks; b++) {
        uint8_t *block = packed + b * block_bytes(bits);
        for (int i = 0; i < 64 * bits; i++) block[i] = kind == 0 ? (uint8_t)rand() : kind == 1 ? 0 : 255;
        for (int i = 0; i < (bits == 4 ? 2 : 1) * ROWS; i++) put_bfloat16(block + 64 * bits + 2 * i, uniform());
    }
    Call call = {.codes = codes, .scale = scales, .sum = sums};
    for (int v = 0; v < TILE; v++) {
        for (int64_t i = 0; i < n_blocks * BLOCK; i++) values[v][i] = kind == 0 ? uniform() : v % 2 ? 3.0f : -3.0f;
        quantize(&call, values[v], v, TILE, 0, n_blocks * BLOCK);
    }
}

int main(void) {
    int products = 0;
    float worst = 0;
    if (!minillm_has_path(3)) { puts("this processor has no dot products"); return 2; }
    for (int64_t bits = 4; bits <= 32; bits *= 2)
        for (int64_t n_blocks = 1; n_blocks <= MOST_BLOCKS; n_blocks += 17)
            for (int kind = 0; kind < 3; kind++)
                for (int n = 1; n <= TILE; n = n == 1 ? TILE / 2 : 2 * n) {
                    float expected[TILE][ROWS], found[TILE][ROWS], size = 0;
                    Matrix matrix = {packed, NULL, ROWS, n_blocks * BLOCK, bits};
                    Input input = {values[0], codes, scales, sums, TILE};
                    fill(n_blocks, bits, kind);
                    dot_plain(&matrix, 0, input, n, expected);
                    dot_neon(&matrix, 0, input, n, found);
                    for (int i = 0; i < n * ROWS; i++) size = fmaxf(size, fabsf(expected[i / ROWS][i % ROWS]));
                    for (int i = 0; i < n * ROWS; i++, products++)
                        worst = fmaxf(worst, fabsf(found[i / ROWS][i % ROWS] - expected[i / ROWS][i % ROWS]) / size);
                }
    printf("%d %g\n", products, worst);
    return 0;
}
