// RCNN_TARGET_CLONES: compiles a function once per instruction set and picks
// the best one when the program is loaded.
//
// For hot loops over contiguous data that the compiler vectorises: AVX-512,
// AVX2 with FMA, and the baseline. Not for functions that call others which are
// not inlined, since those stay at the baseline. GCC 12 vectorises few loops at
// -O2: libraries of plain ones want copts = ["-O3"]. Products and sums are not
// contracted (-ffp-contract=off), so every clone computes the same bits unless
// the code calls std::fma.
//
// The choice goes by what the processor can do, whoever made it (x86-64-v3 and
// -v4 are feature levels; arch=haswell would exclude AMD's).
//
// Empty under the sanitizers, whose start-up comes after the choice is made,
// and where the compiler or the processor family has no such thing.
//
// Example:
//   RCNN_TARGET_CLONES void Scale(float* x, int64_t n, float by) {
//     for (int64_t i = 0; i < n; ++i) x[i] *= by;
//   }

#ifndef RCNN_BASE_TARGET_CLONES_H_
#define RCNN_BASE_TARGET_CLONES_H_

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(RCNN_NO_TARGET_CLONES)
#define RCNN_TARGET_CLONES \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define RCNN_TARGET_CLONES
#endif

#endif  // RCNN_BASE_TARGET_CLONES_H_
