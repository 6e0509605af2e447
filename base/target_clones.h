// RCNN_TARGET_CLONES: compiles a loop for AVX-512, for AVX2 and for the baseline, and runs the one
// that the level of instructions allows (instruction_set.h).
//
// For hot loops over contiguous data that the compiler vectorises; kernels with intrinsics have
// target_instructions.h. Not for loops with calls that are not inlined, because the callees stay at
// the baseline. GCC 12 vectorises few loops at -O2, so libraries with plain loops need copts =
// ["-O3"]. Multiply-adds are not contracted (-ffp-contract=off), so all clones give the same bits
// unless the code calls std::fma.
//
// A call asks for the level, which takes some nanoseconds: put it around a row, not around an
// element.
//
// Example:
//   RCNN_LOOP void ScaleLoop(float* x, int64_t n, float by) {
//     for (int64_t i = 0; i < n; ++i) x[i] *= by;
//   }
//   RCNN_TARGET_CLONES(void, Scale, ScaleLoop, (float* x, int64_t n, float by), (x, n, by));

#ifndef RCNN_BASE_TARGET_CLONES_H_
#define RCNN_BASE_TARGET_CLONES_H_

#include "rcnn/base/instruction_set.h"
#include "rcnn/base/target_attributes.h"

// Of a loop that clones have: it becomes a part of each, and takes over what that is compiled for.
#define RCNN_LOOP inline __attribute__((always_inline))

// Defines `result name parameters`, which is `loop arguments` at the current level: at a
// namespace's level, with a semicolon. Put __restrict where the loop has it on its parameters, too.
// `loop` is a function with RCNN_LOOP.
#if defined(__x86_64__)
#define RCNN_TARGET_CLONES(result, name, loop, parameters, arguments)                  \
  RCNN_AVX512 static result name##OnAvx512 parameters { return loop arguments; }       \
  RCNN_AVX2 static result name##OnAvx2 parameters { return loop arguments; }           \
  result name parameters {                                                             \
    const ::rcnn::InstructionLevel level_of_clone = ::rcnn::CurrentInstructionLevel(); \
    if (level_of_clone >= ::rcnn::InstructionLevel::kAvx512) {                         \
      return name##OnAvx512 arguments;                                                 \
    }                                                                                  \
    if (level_of_clone >= ::rcnn::InstructionLevel::kAvx2) {                           \
      return name##OnAvx2 arguments;                                                   \
    }                                                                                  \
    return loop arguments;                                                             \
  }                                                                                    \
  result name parameters
#else
#define RCNN_TARGET_CLONES(result, name, loop, parameters, arguments) \
  result name parameters { return loop arguments; }                   \
  result name parameters
#endif

#endif  // RCNN_BASE_TARGET_CLONES_H_
