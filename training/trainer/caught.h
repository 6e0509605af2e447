// Converts exceptions of libraries (LibTorch, the standard library, oneDNN) to a
// Status.
//
// An exception for a wrong size or lack of memory then ends a stage with a message
// instead of aborting the program.
//
// Example:
//   return Caught([&] { return RunStage(run, stage); });

#ifndef RCNN_TRAINING_TRAINER_CAUGHT_H_
#define RCNN_TRAINING_TRAINER_CAUGHT_H_

#include <c10/util/Exception.h>

#include <exception>
#include <new>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace rcnn::training {

// Returns what `work` returns, an absl::Status or StatusOr. kResourceExhausted if
// it throws std::bad_alloc, kInternal with the exception's text for any other
// std::exception.
template <typename Work>
auto Caught(Work&& work) -> decltype(work()) {
  try {
    return work();
  } catch (const c10::Error& error) {
    return absl::InternalError(error.what_without_backtrace());
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("not enough memory; use smaller batches, images or layers");
  } catch (const std::exception& error) {
    return absl::InternalError(error.what());
  }
}

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TRAINER_CAUGHT_H_
