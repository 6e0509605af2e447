// The error that an operator throws when a number is NaN or infinite.
//
// A c10::Error like the operators' others (RuntimeError in Python). The trainer tests for
// this type, not for words of the message, to recognise that training has diverged.
//
// Example:
//   if (!std::isfinite(value)) ThrowNotFinite("logits: row 7 is not finite");

#ifndef RCNN_BASE_NOT_FINITE_ERROR_H_
#define RCNN_BASE_NOT_FINITE_ERROR_H_

#include <c10/util/Exception.h>

#include <cstdint>
#include <string>

namespace rcnn {

class NotFiniteError : public c10::Error {
 public:
  using c10::Error::Error;
};

[[noreturn]] inline void ThrowNotFinite(const std::string& message) {
  throw NotFiniteError({__func__, __FILE__, static_cast<uint32_t>(__LINE__)}, message);
}

}  // namespace rcnn

#endif  // RCNN_BASE_NOT_FINITE_ERROR_H_
