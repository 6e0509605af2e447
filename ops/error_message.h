// The message of an operator's error, for tests.
//
// Example:
//   EXPECT_THAT(ErrorMessage([&] { Nms(boxes, scores, {}); }), StartsWith("boxes: row 3"));

#ifndef RCNN_OPS_ERROR_MESSAGE_H_
#define RCNN_OPS_ERROR_MESSAGE_H_

#include <c10/util/Exception.h>

#include <string>

namespace rcnn::ops {

// The message of the c10::Error that `call()` throws, without the backtrace; ""
// when it returns. Other exceptions pass through.
template <typename Call>
std::string ErrorMessage(Call&& call) {
  try {
    call();
  } catch (const c10::Error& error) {
    return error.what_without_backtrace();
  }
  return "";
}

}  // namespace rcnn::ops

#endif  // RCNN_OPS_ERROR_MESSAGE_H_
