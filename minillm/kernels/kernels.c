/* Fused kernels for training on a CPU. Each reads its tensors once and writes its result once,
   where the readable form in PyTorch is four to ten operations, and each of those goes through
   memory. `kernels/__init__.py` says which readable form each kernel equals.

   Numbers are float32 or bfloat16; sums are float32 for both. Rows are divided among OpenMP's
   threads, which are PyTorch's own, where the compiler has OpenMP (gcc). */

#include <math.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline)) /* compiled anew for each format */
#define THREADED _Pragma("omp parallel for num_threads(threads)")
#define VECTORIZED _Pragma("omp simd")
#define CHUNK 4096 /* numbers of an elementwise kernel that a thread takes at a time */
#define LANES 16

typedef int64_t integer;
typedef enum { FLOAT32, BFLOAT16 } Format;

/* `call` with the constant `f` for `format`, so that no loop asks for the format of its numbers. */
#define FOR_FORMAT(format, call)                                                                   \
    if ((format) == FLOAT32) {                                                                     \
        const Format f = FLOAT32;                                                                  \
        call;                                                                                      \
    } else {                                                                                       \
        const Format f = BFLOAT16;                                                                 \
        call;                                                                                      \
    }

INLINE integer size_of(Format format) { return format == FLOAT32 ? 4 : 2; }

/* A bfloat16 is the upper half of a float32. */
INLINE float load(const void *numbers, integer i, Format format) {
    if (format == FLOAT32)
        return ((const float *)numbers)[i];
    uint32_t bits = (uint32_t)((const uint16_t *)numbers)[i] << 16;
    float x;
    memcpy(&x, &bits, 4);
    return x;
}

/* Rounds to the nearest, ties to even; NaN stays NaN. */
INLINE void store(void *numbers, integer i, Format format, float x) {
    if (format == FLOAT32) {
        ((float *)numbers)[i] = x;
        return;
    }
    uint32_t bits;
    memcpy(&bits, &x, 4);
    bits = x != x ? 0x7fc00000u : bits + 0x7fff + (bits >> 16 & 1);
    ((uint16_t *)numbers)[i] = bits >> 16;
}

/* e^x = 2^n e^r with |r| <= ln(2) / 2, and Taylor's series for e^r: a relative error of 2e-7.
   Below -88 it is 0, from 89 on infinite, and NaN stays NaN. */
INLINE float exponential(float x) {
    x = x < -88.0f ? -88.0f : x > 89.0f ? 89.0f : x;
    float n = rintf(x * 1.44269504f);
    float r = x - n * 0.693359375f + n * 2.12194440e-4f; /* n ln(2) in two parts */
    float e = 1.0f / 5040;
    e = e * r + 1.0f / 720, e = e * r + 1.0f / 120, e = e * r + 1.0f / 24, e = e * r + 1.0f / 6;
    e = e * r + 1.0f / 2, e = e * r + 1.0f, e = e * r + 1.0f;
    int32_t bits = ((int32_t)n + 127) << 23;
    float power;
    memcpy(&power, &bits, 4);
    return e * power;
}

/* ---- RMSNorm: y = x / rms(x) * weight, with rms(x) = sqrt(mean(x^2) + eps) ------------------- */

INLINE void rms_norm_rows(const void *x, const float *weight, void *y, integer rows, integer C,
                          float eps, int threads, Format from, Format to) {
    THREADED
    for (integer row = 0; row < rows; row++) {
        float square = 0;
        for (integer i = row * C; i < row * C + C; i++)
            square += load(x, i, from) * load(x, i, from);
        float scale = 1 / sqrtf(square / C + eps);
        VECTORIZED
        for (integer i = 0; i < C; i++)
            store(y, row * C + i, to, load(x, row * C + i, from) * scale * weight[i]);
    }
}

/* With n = x / rms(x): dx = (dy weight - n mean(dy weight n)) / rms(x). The gradient of the weight
   is the sum of dy n over all rows; `d_weight` is (threads, C), a sum for each thread. */
INLINE void rms_norm_backward_rows(const void *x, const float *weight, const void *dy, void *dx,
                                   float *d_weight, integer rows, integer C, float eps, int threads,
                                   Format from, Format to) {
    THREADED
    for (int thread = 0; thread < threads; thread++) {
        float *sum = d_weight + thread * C;
        for (integer row = rows * thread / threads; row < rows * (thread + 1) / threads; row++) {
            float square = 0, dot = 0;
            for (integer i = 0; i < C; i++) {
                float value = load(x, row * C + i, from);
                square += value * value;
                dot += value * load(dy, row * C + i, to) * weight[i];
            }
            float scale = 1 / sqrtf(square / C + eps), mean = dot / C * scale * scale;
            VECTORIZED
            for (integer i = 0; i < C; i++) {
                float value = load(x, row * C + i, from), gradient = load(dy, row * C + i, to);
                store(dx, row * C + i, from, scale * (gradient * weight[i] - value * mean));
                sum[i] += gradient * value * scale;
            }
        }
    }
}

void rms_norm(const void *x, const float *weight, void *y, integer rows, integer C, float eps,
              int threads, int from, int to) {
    if (from == BFLOAT16)
        rms_norm_rows(x, weight, y, rows, C, eps, threads, BFLOAT16, BFLOAT16);
    else
        FOR_FORMAT(to, rms_norm_rows(x, weight, y, rows, C, eps, threads, FLOAT32, f))
}

void rms_norm_backward(const void *x, const float *weight, const void *dy, void *dx,
                       float *d_weight, integer rows, integer C, float eps, int threads, int from,
                       int to) {
    if (from == BFLOAT16)
        rms_norm_backward_rows(x, weight, dy, dx, d_weight, rows, C, eps, threads, BFLOAT16,
                               BFLOAT16);
    else
        FOR_FORMAT(to, rms_norm_backward_rows(x, weight, dy, dx, d_weight, rows, C, eps, threads,
                                              FLOAT32, f))
}

/* ---- Rotary positions: pairs (i, i + D/2) turned by the angle of their position -------------- */

/* x and y are (B, H, T, D) with strides for B, H and T. The angles are (T, D/2), with a stride
   where they differ in B. The gradient is the same rotation by the negative angles: `sign` is
   -1. */
INLINE void rotate_rows(const void *x, void *y, const float *cos, const float *sin, integer B,
                        integer H, integer T, integer D, const integer *x_strides,
                        const integer *y_strides, integer angle_stride, float sign, int threads,
                        Format format) {
    THREADED
    for (integer row = 0; row < B * H * T; row++) {
        integer b = row / (H * T), h = row / T % H, t = row % T, half = D / 2;
        integer from = b * x_strides[0] + h * x_strides[1] + t * x_strides[2];
        integer to = b * y_strides[0] + h * y_strides[1] + t * y_strides[2];
        const float *c = cos + b * angle_stride + t * half, *s = sin + b * angle_stride + t * half;
        VECTORIZED
        for (integer i = 0; i < half; i++) {
            float first = load(x, from + i, format), second = load(x, from + half + i, format);
            float turn = sign * s[i];
            store(y, to + i, format, first * c[i] - second * turn);
            store(y, to + half + i, format, second * c[i] + first * turn);
        }
    }
}

void rotate(const void *x, void *y, const float *cos, const float *sin, integer B, integer H,
            integer T, integer D, const integer *x_strides, const integer *y_strides,
            integer angle_stride, float sign, int threads, int format) {
    FOR_FORMAT(format, rotate_rows(x, y, cos, sin, B, H, T, D, x_strides, y_strides, angle_stride,
                                   sign, threads, f))
}

/* ---- SwiGLU: y = silu(gate) up, with silu(g) = g sigmoid(g) ---------------------------------- */

INLINE float sigmoid(float x) { return 1 / (1 + exponential(-x)); }

INLINE void swiglu_chunks(const void *gate, const void *up, void *y, integer n, int threads,
                          Format format) {
    THREADED
    for (integer start = 0; start < n; start += CHUNK) {
        integer end = start + CHUNK < n ? start + CHUNK : n;
        VECTORIZED
        for (integer i = start; i < end; i++) {
            float g = load(gate, i, format);
            store(y, i, format, g * sigmoid(g) * load(up, i, format));
        }
    }
}

/* The slope of silu is s + g s (1 - s), with s = sigmoid(g). */
INLINE void swiglu_backward_chunks(const void *gate, const void *up, const void *dy, void *d_gate,
                                   void *d_up, integer n, int threads, Format format) {
    THREADED
    for (integer start = 0; start < n; start += CHUNK) {
        integer end = start + CHUNK < n ? start + CHUNK : n;
        VECTORIZED
        for (integer i = start; i < end; i++) {
            float g = load(gate, i, format), gradient = load(dy, i, format), s = sigmoid(g);
            store(d_up, i, format, gradient * g * s);
            store(d_gate, i, format, gradient * load(up, i, format) * (s + g * s * (1 - s)));
        }
    }
}

void swiglu(const void *gate, const void *up, void *y, integer n, int threads, int format) {
    FOR_FORMAT(format, swiglu_chunks(gate, up, y, n, threads, f))
}

void swiglu_backward(const void *gate, const void *up, const void *dy, void *d_gate, void *d_up,
                     integer n, int threads, int format) {
    FOR_FORMAT(format, swiglu_backward_chunks(gate, up, dy, d_gate, d_up, n, threads, f))
}

/* ---- Softmax, in cross-entropy and in attention ---------------------------------------------- */

/* y = e^(scale x - largest), 0 where the mask is; returns the sum. */
INLINE float exponentials(const void *x, const uint8_t *mask, float *y, integer n, float scale,
                          float *largest, Format format) {
    VECTORIZED
    for (integer i = 0; i < n; i++)
        y[i] = mask && !mask[i] ? -INFINITY : scale * load(x, i, format);
    float lane[LANES], sum = 0; /* gcc takes a maximum number by number, unless there are lanes */
    for (int l = 0; l < LANES; l++)
        lane[l] = -INFINITY;
    integer whole = n - n % LANES;
    for (integer i = 0; i < whole; i += LANES)
        for (int l = 0; l < LANES; l++)
            lane[l] = y[i + l] > lane[l] ? y[i + l] : lane[l];
    for (integer i = whole; i < n; i++)
        lane[0] = y[i] > lane[0] ? y[i] : lane[0];
    float most = lane[0];
    for (int l = 1; l < LANES; l++)
        most = lane[l] > most ? lane[l] : most;
    _Pragma("omp simd reduction(+ : sum)")
    for (integer i = 0; i < n; i++) {
        y[i] = exponential(y[i] - most);
        sum += y[i];
    }
    *largest = most;
    return sum;
}

/* Cross-entropy of each row of V logits, log(sum(e^logit)) - logit[target]; the logits become its
   gradient, softmax - one_hot. */
INLINE void cross_entropy_rows(void *logits, const integer *targets, float *losses, integer rows,
                               integer V, int threads, Format format) {
    THREADED
    for (integer row = 0; row < rows; row++) {
        char *logit = (char *)logits + row * V * size_of(format);
        float e[V], largest, chosen = load(logit, targets[row], format);
        float sum = exponentials(logit, 0, e, V, 1, &largest, format), share = 1 / sum;
        losses[row] = logf(sum) + largest - chosen;
        for (integer i = 0; i < V; i++)
            store(logit, i, format, e[i] * share);
        store(logit, targets[row], format, e[targets[row]] * share - 1);
    }
}

void cross_entropy(void *logits, const integer *targets, float *losses, integer rows, integer V,
                   int threads, int format) {
    FOR_FORMAT(format, cross_entropy_rows(logits, targets, losses, rows, V, threads, f))
}

/* Attention scores (B, H, T, S) become weights: softmax(scale score) over the keys that a query
   may see, 0 elsewhere. The mask is (T, S), with a stride where it differs in B. Without one,
   query t sees the first S - T + t + 1 keys. */
INLINE void attention_softmax_rows(void *scores, const uint8_t *mask, integer B, integer H,
                                   integer T, integer S, integer mask_stride, float scale,
                                   int threads, Format format) {
    THREADED
    for (integer row = 0; row < B * H * T; row++) {
        integer t = row % T, n = mask ? S : S - T + t + 1;
        const uint8_t *visible = mask ? mask + row / (H * T) * mask_stride + t * S : 0;
        char *score = (char *)scores + row * S * size_of(format);
        float e[S], largest, sum = exponentials(score, visible, e, n, scale, &largest, format);
        for (integer i = 0; i < n; i++)
            store(score, i, format, e[i] / sum);
        memset(score + n * size_of(format), 0, (S - n) * size_of(format));
    }
}

/* The gradient of the weights becomes that of the scores: scale w (dw - sum(w dw)). */
INLINE void attention_softmax_backward_rows(const void *weights, void *gradients, integer rows,
                                            integer S, float scale, int threads, Format format) {
    THREADED
    for (integer row = 0; row < rows; row++) {
        float dot = 0;
        for (integer i = row * S; i < row * S + S; i++)
            dot += load(weights, i, format) * load(gradients, i, format);
        VECTORIZED
        for (integer i = row * S; i < row * S + S; i++)
            store(gradients, i, format,
                  scale * load(weights, i, format) * (load(gradients, i, format) - dot));
    }
}

void attention_softmax(void *scores, const uint8_t *mask, integer B, integer H, integer T,
                       integer S, integer mask_stride, float scale, int threads, int format) {
    FOR_FORMAT(format, attention_softmax_rows(scores, mask, B, H, T, S, mask_stride, scale, threads,
                                              f))
}

void attention_softmax_backward(const void *weights, void *gradients, integer rows, integer S,
                                float scale, int threads, int format) {
    FOR_FORMAT(format, attention_softmax_backward_rows(weights, gradients, rows, S, scale, threads,
                                                       f))
}
