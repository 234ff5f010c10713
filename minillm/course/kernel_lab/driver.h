/* y = W x by the kernel above. */

static void round_vector(const float *x, int8_t *codes, float *step, float *sums, int n, int group) {
    for (int g = 0; g < n / group; g++, x += group, codes += group) {
        float largest = 0;
        int sum = 0;
        for (int i = 0; i < group; i++)
            largest = fmaxf(largest, fabsf(x[i]));
        float inverse = largest > 0 ? 127 / largest : 0;
        for (int i = 0; i < group; i++) {
            codes[i] = (int8_t)lrintf(x[i] * inverse);
            sum += codes[i];
        }
        step[g] = largest / 127;
        sums[g] = step[g] * sum;
    }
}

void product(const void *w, const float *x, float *y, int rows, int cols) {
    static int8_t codes[MOST];
    static float step[MOST / 32], sums[MOST / 32];
    (void)codes, (void)step, (void)sums;
#if KERNEL == 0 /* dot */
    for (int r = 0; r < rows; r++)
        y[r] = dot((const float *)w + (int64_t)r * cols, x, cols);
#elif KERNEL == 1 /* dot4 */
    for (int r = 0; r < rows; r++)
        y[r] = dot4((const Block *)w + (int64_t)r * (cols / 32), x, cols / 32);
#elif KERNEL == 2 /* dot8; after the codes, a scale for each row */
    const int8_t *matrix = w;
    const float *scale = (const float *)(matrix + (int64_t)rows * cols);
    round_vector(x, codes, step, sums, cols, cols);
    for (int r = 0; r < rows; r++)
        y[r] = dot8(matrix + (int64_t)r * cols, codes, cols) * scale[r] * step[0];
#elif KERNEL == 3 /* rows16 */
    round_vector(x, codes, step, sums, cols, 32);
    for (int r = 0; r < rows; r += 16)
        rows16((const Block16 *)w + (int64_t)r / 16 * (cols / 32), codes, step, sums, cols / 32, y + r);
#endif
}

/* A plain sum: what the memory gives if nothing else is asked for. */
float plain_sum(const float *numbers, int64_t n) {
    float sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += numbers[i];
    return sum;
}
