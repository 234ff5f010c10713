/* What the kernels of the lab get: a matrix in one of four formats, row after row. The functions at the end call the
   learner's for each row; KERNEL says which one was compiled. */

#include <math.h>
#include <stdint.h>
#include <string.h>

typedef struct { /* 32 weights of a row in 4 bits: weight i is low + scale * code i */
    float scale, low;
    uint8_t codes[16]; /* the lower half of byte i is code i, its upper half is code i + 16 */
} Block;

typedef struct { /* the same for 16 rows side by side */
    float scale[16], low[16];
    uint8_t codes[16][16]; /* [i][row]: the lower half is code i, the upper half code i + 16 */
} Block16;

#define MOST 65536 /* columns of a vector */
