// Messages from text, for tests.
//
// Example:
//   const auto config = ParseTextOrDie<ModelConfig>("backbone { tiny {} } rpn {}");

#ifndef RCNN_CONFIGS_TESTING_PARSE_TEXT_H_
#define RCNN_CONFIGS_TESTING_PARSE_TEXT_H_

#include <google/protobuf/message.h>

#include "absl/strings/string_view.h"

namespace rcnn::configs {

// Replaces `message` with the contents of `text`. Ends the process with the text and the parser's
// error if it describes no message of this type.
void ParseTextOrDie(absl::string_view text, google::protobuf::Message* message);

// The message of type T that `text` describes; ends the process as above.
template <typename T>
T ParseTextOrDie(absl::string_view text) {
  T message;
  ParseTextOrDie(text, &message);
  return message;
}

}  // namespace rcnn::configs

#endif  // RCNN_CONFIGS_TESTING_PARSE_TEXT_H_
