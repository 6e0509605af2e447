// RCNN_AVX2, RCNN_AVX512 and RCNN_AVX512_BF16: compile one function for AVX2 and FMA, for AVX-512
// as well, or also for AVX-512 BF16, whatever the rest is compiled for.
//
// The attributes of target_instructions.h, which adds the intrinsics, and of target_clones.h, whose
// loops need none. x86-64 only. Call such functions only at the level of instructions that they
// need: these are the levels of instruction_set.h.
//
// Example:
//   RCNN_AVX2 inline void Double(float* x, int n) {
//     for (int i = 0; i < n; ++i) x[i] *= 2;
//   }

#ifndef RCNN_BASE_TARGET_ATTRIBUTES_H_
#define RCNN_BASE_TARGET_ATTRIBUTES_H_

#if defined(__x86_64__)
#define RCNN_AVX2 __attribute__((target("avx2,fma")))
#define RCNN_AVX512 __attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")))
#define RCNN_AVX512_BF16 \
  __attribute__((target("avx2,fma,bmi2,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")))
#endif

#endif  // RCNN_BASE_TARGET_ATTRIBUTES_H_
