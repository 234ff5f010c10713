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
#define CHUNK 4096 /* numbers that are worked on at a time */
#define LANES 16

typedef int64_t integer;
typedef enum { FLOAT32, BFLOAT16 } Format;

/* `call` with the constant `f` for `format`, so that no inner loop asks for its numbers' format.
   It stands inside the loop over threads, since gcc passes variables and no constants into that. */
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

INLINE void rms_norm_row(const void *x, const float *weight, void *y, integer start, integer C,
                         float eps, Format from, Format to) {
    float square = 0;
    for (integer i = start; i < start + C; i++)
        square += load(x, i, from) * load(x, i, from);
    float scale = 1 / sqrtf(square / C + eps);
    VECTORIZED
    for (integer i = 0; i < C; i++)
        store(y, start + i, to, load(x, start + i, from) * scale * weight[i]);
}

void rms_norm(const void *x, const float *weight, void *y, integer rows, integer C, float eps,
              int threads, int from, int to) {
    THREADED
    for (integer row = 0; row < rows; row++)
        if (from == BFLOAT16)
            rms_norm_row(x, weight, y, row * C, C, eps, BFLOAT16, BFLOAT16);
        else
            FOR_FORMAT(to, rms_norm_row(x, weight, y, row * C, C, eps, FLOAT32, f))
}

/* With n = x / rms(x): dx = (dy weight - n mean(dy weight n)) / rms(x). The gradient of the weight
   is the sum of dy n over all rows, to which this adds one. */
INLINE void rms_norm_backward_row(const void *x, const float *weight, const void *dy, void *dx,
                                  float *d_weight, integer start, integer C, float eps, Format from,
                                  Format to) {
    float square = 0, dot = 0;
    for (integer i = 0; i < C; i++) {
        float value = load(x, start + i, from);
        square += value * value;
        dot += value * load(dy, start + i, to) * weight[i];
    }
    float scale = 1 / sqrtf(square / C + eps), mean = dot / C * scale * scale;
    VECTORIZED
    for (integer i = 0; i < C; i++) {
        float value = load(x, start + i, from), gradient = load(dy, start + i, to);
        store(dx, start + i, from, scale * (gradient * weight[i] - value * mean));
        d_weight[i] += gradient * value * scale;
    }
}

/* `d_weight` is (threads, C): a sum for the rows of each thread. */
void rms_norm_backward(const void *x, const float *weight, const void *dy, void *dx,
                       float *d_weight, integer rows, integer C, float eps, int threads, int from,
                       int to) {
    THREADED
    for (int thread = 0; thread < threads; thread++) {
        float *sum = d_weight + thread * C;
        for (integer row = rows * thread / threads; row < rows * (thread + 1) / threads; row++)
            if (from == BFLOAT16)
                rms_norm_backward_row(x, weight, dy, dx, sum, row * C, C, eps, BFLOAT16, BFLOAT16);
            else
                FOR_FORMAT(to, rms_norm_backward_row(x, weight, dy, dx, sum, row * C, C, eps,
                                                     FLOAT32, f))
    }
}

/* ---- Rotary positions: pairs (i, i + D/2) turned by the angle of their position -------------- */

INLINE void rotate_row(const void *x, void *y, const float *cos, const float *sin, integer from,
                       integer to, integer half, float sign, Format format) {
    VECTORIZED
    for (integer i = 0; i < half; i++) {
        float first = load(x, from + i, format), second = load(x, from + half + i, format);
        float turn = sign * sin[i];
        store(y, to + i, format, first * cos[i] - second * turn);
        store(y, to + half + i, format, second * cos[i] + first * turn);
    }
}

/* x and y are (B, H, T, D) with strides for B, H and T. The angles are (T, D/2), with a stride
   where they differ in B. The gradient is the same rotation by the negative angles: `sign` is -1.
 */
void rotate(const void *x, void *y, const float *cos, const float *sin, integer B, integer H,
            integer T, integer D, const integer *x_strides, const integer *y_strides,
            integer angle_stride, float sign, int threads, int format) {
    THREADED
    for (integer row = 0; row < B * H * T; row++) {
        integer b = row / (H * T), h = row / T % H, t = row % T;
        integer from = b * x_strides[0] + h * x_strides[1] + t * x_strides[2];
        integer to = b * y_strides[0] + h * y_strides[1] + t * y_strides[2];
        integer angle = b * angle_stride + t * (D / 2);
        FOR_FORMAT(format, rotate_row(x, y, cos + angle, sin + angle, from, to, D / 2, sign, f))
    }
}

/* ---- SwiGLU: y = silu(gate) up, with silu(g) = g sigmoid(g) ---------------------------------- */

INLINE float sigmoid(float x) { return 1 / (1 + exponential(-x)); }

INLINE void swiglu_chunk(const void *gate, const void *up, void *y, integer start, integer end,
                         Format format) {
    VECTORIZED
    for (integer i = start; i < end; i++) {
        float g = load(gate, i, format);
        store(y, i, format, g * sigmoid(g) * load(up, i, format));
    }
}

void swiglu(const void *gate, const void *up, void *y, integer n, int threads, int format) {
    THREADED
    for (integer start = 0; start < n; start += CHUNK) {
        integer end = start + CHUNK < n ? start + CHUNK : n;
        FOR_FORMAT(format, swiglu_chunk(gate, up, y, start, end, f))
    }
}

/* The slope of silu is s + g s (1 - s), with s = sigmoid(g). */
INLINE void swiglu_backward_chunk(const void *gate, const void *up, const void *dy, void *d_gate,
                                  void *d_up, integer start, integer end, Format format) {
    VECTORIZED
    for (integer i = start; i < end; i++) {
        float g = load(gate, i, format), gradient = load(dy, i, format), s = sigmoid(g);
        store(d_up, i, format, gradient * g * s);
        store(d_gate, i, format, gradient * load(up, i, format) * (s + g * s * (1 - s)));
    }
}

void swiglu_backward(const void *gate, const void *up, const void *dy, void *d_gate, void *d_up,
                     integer n, int threads, int format) {
    THREADED
    for (integer start = 0; start < n; start += CHUNK) {
        integer end = start + CHUNK < n ? start + CHUNK : n;
        FOR_FORMAT(format, swiglu_backward_chunk(gate, up, dy, d_gate, d_up, start, end, f))
    }
}

/* ---- Softmax, in cross-entropy and in attention ---------------------------------------------- */

/* y = e^(scale x - largest), 0 where the mask is; returns the sum. y has room for n rounded up to
   whole LANES: vectors without a rest, and gcc takes a maximum number by number without lanes. */
INLINE float exponentials(const void *x, const uint8_t *mask, float *y, integer n, float scale,
                          float *largest, Format format) {
    integer whole = (n + LANES - 1) / LANES * LANES;
    VECTORIZED
    for (integer i = 0; i < n; i++)
        y[i] = mask && !mask[i] ? -INFINITY : scale * load(x, i, format);
    for (integer i = n; i < whole; i++)
        y[i] = -INFINITY;
    float lane[LANES], most = -INFINITY;
    for (int l = 0; l < LANES; l++)
        lane[l] = -INFINITY;
    for (integer i = 0; i < whole; i += LANES)
        for (int l = 0; l < LANES; l++)
            lane[l] = y[i + l] > lane[l] ? y[i + l] : lane[l];
    for (int l = 0; l < LANES; l++)
        most = lane[l] > most ? lane[l] : most;
    double sum = 0; /* of chunks, so that a long row keeps its digits */
    for (integer start = 0; start < whole; start += CHUNK) {
        integer end = start + CHUNK < whole ? start + CHUNK : whole;
        float part = 0;
        _Pragma("omp simd reduction(+ : part)")
        for (integer i = start; i < end; i++) {
            y[i] = exponential(y[i] - most);
            part += y[i];
        }
        sum += part;
    }
    *largest = most;
    return sum;
}

INLINE float cross_entropy_row(void *logits, integer target, integer V, Format format) {
    float e[V + LANES], largest, chosen = load(logits, target, format);
    float sum = exponentials(logits, 0, e, V, 1, &largest, format);
    VECTORIZED
    for (integer i = 0; i < V; i++)
        store(logits, i, format, e[i] / sum);
    store(logits, target, format, e[target] / sum - 1);
    return logf(sum) + largest - chosen;
}

/* Cross-entropy of each row of V logits, log(sum(e^logit)) - logit[target]; the logits become its
   gradient, softmax - one_hot. */
void cross_entropy(void *logits, const integer *targets, float *losses, integer rows, integer V,
                   int threads, int format) {
    THREADED
    for (integer row = 0; row < rows; row++) {
        char *its = (char *)logits + row * V * size_of(format);
        FOR_FORMAT(format, losses[row] = cross_entropy_row(its, targets[row], V, f))
    }
}

/* The first n of S scores become weights, and the others 0. */
INLINE void attention_softmax_row(void *scores, const uint8_t *mask, integer n, integer S,
                                  float scale, Format format) {
    float e[S + LANES], largest, sum = exponentials(scores, mask, e, n, scale, &largest, format);
    VECTORIZED
    for (integer i = 0; i < n; i++)
        store(scores, i, format, e[i] / sum);
    memset((char *)scores + n * size_of(format), 0, (S - n) * size_of(format));
}

/* Attention scores (B, H, T, S) become weights: softmax(scale score) over the keys that a query
   may see, 0 elsewhere. The mask is (T, S), with a stride where it differs in B. Without one,
   query t sees the first S - T + t + 1 keys. */
void attention_softmax(void *scores, const uint8_t *mask, integer B, integer H, integer T,
                       integer S, integer mask_stride, float scale, int threads, int format) {
    THREADED
    for (integer row = 0; row < B * H * T; row++) {
        integer t = row % T;
        const uint8_t *visible = mask ? mask + row / (H * T) * mask_stride + t * S : 0;
        char *its = (char *)scores + row * S * size_of(format);
        integer n = mask ? S : S - T + t + 1;
        FOR_FORMAT(format, attention_softmax_row(its, visible, n, S, scale, f))
    }
}

/* The gradient of the weights becomes that of the scores: scale w (dw - sum(w dw)). */
INLINE void attention_softmax_backward_row(const void *weights, void *gradients, integer start,
                                           integer end, float scale, Format format) {
    float dot = 0;
    for (integer i = start; i < end; i++)
        dot += load(weights, i, format) * load(gradients, i, format);
    VECTORIZED
    for (integer i = start; i < end; i++)
        store(gradients, i, format,
              scale * load(weights, i, format) * (load(gradients, i, format) - dot));
}

void attention_softmax_backward(const void *weights, void *gradients, integer rows, integer S,
                                float scale, int threads, int format) {
    THREADED
    for (integer row = 0; row < rows; row++) {
        integer start = row * S, end = start + S;
        FOR_FORMAT(format,
                   attention_softmax_backward_row(weights, gradients, start, end, scale, f))
    }
}
