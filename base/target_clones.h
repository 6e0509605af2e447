// RCNN_TARGET_CLONES: compiles a function once per instruction set and picks
// the best one when the program is loaded.
//
// For hot loops over contiguous data that the compiler vectorises: AVX-512, AVX2
// with FMA, and the baseline. Not for functions with calls that are not inlined,
// because the callees stay at the baseline. GCC 12 vectorises few loops at -O2, so
// libraries with plain loops need copts = ["-O3"]. Multiply-adds are not contracted
// (-ffp-contract=off), so all clones give the same bits unless the code calls
// std::fma.
//
// The choice depends on the processor's features, not its vendor (x86-64-v3 and -v4
// are feature levels; arch=haswell would exclude AMD).
//
// Empty under the sanitizers, which start up after the choice is made, and if the
// compiler or processor family does not support clones.
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
