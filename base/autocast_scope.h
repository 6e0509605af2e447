// Computes in a short floating-point type during its lifetime, where LibTorch considers it safe.
//
// Autocast: convolutions and matrix products convert their float32 arguments; losses, norms and
// rcnn's operators compute in float32 what they get in the short type, on CUDA except for RoIAlign
// (ops/dispatch.h). The weights stay in float32. End it before the backward pass, which repeats the
// types of the forward one.
//
// On the CPU ask HasBfloat16Products (instruction_set.h) first: at a level of instructions that is
// lowered below AVX-512 (start_environment.h) LibTorch 1.13 still asks oneDNN for convolutions in
// bfloat16 if the processor has AVX-512, and oneDNN throws.
//
// Of this thread only. Scopes may be nested.
//
// Example:
//   {
//     const AutocastScope scope(c10::DeviceType::CUDA, c10::ScalarType::BFloat16);
//     loss = Forward();
//   }
//   loss.backward();

#ifndef RCNN_BASE_AUTOCAST_SCOPE_H_
#define RCNN_BASE_AUTOCAST_SCOPE_H_

#include <c10/core/DeviceType.h>
#include <c10/core/ScalarType.h>
#include <c10/util/Optional.h>

namespace rcnn {

class AutocastScope {
 public:
  // For tensors on `device`, the CPU or CUDA. `type`: bfloat16, or on CUDA also float16.
  AutocastScope(c10::DeviceType device, c10::ScalarType type);
  // Restores what was set before. Frees the converted weights if it is the outermost.
  ~AutocastScope();
  AutocastScope(const AutocastScope&) = delete;
  AutocastScope& operator=(const AutocastScope&) = delete;

 private:
  c10::DeviceType device_;
  bool was_enabled_;
  c10::ScalarType previous_type_;
};

// The short type in which this thread computes on the CPU or CUDA; not set outside any scope.
c10::optional<c10::ScalarType> AutocastType(c10::DeviceType device);

// Makes autocast convert weights at each use during its lifetime, and keep none of them.
class UncachedAutocastScope {
 public:
  UncachedAutocastScope();
  // Restores what was set before.
  ~UncachedAutocastScope();
  UncachedAutocastScope(const UncachedAutocastScope&) = delete;
  UncachedAutocastScope& operator=(const UncachedAutocastScope&) = delete;

 private:
  bool was_cached_;
};

// Keeps the weights that autocast converts during its lifetime apart from others: it uses none from
// before, and leaves none behind.
class OwnAutocastCacheScope {
 public:
  OwnAutocastCacheScope();
  ~OwnAutocastCacheScope();
  OwnAutocastCacheScope(const OwnAutocastCacheScope&) = delete;
  OwnAutocastCacheScope& operator=(const OwnAutocastCacheScope&) = delete;
};

}  // namespace rcnn

#endif  // RCNN_BASE_AUTOCAST_SCOPE_H_
