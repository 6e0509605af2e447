// Messages from text, for tests.

#ifndef RCNN_TRAINING_TESTING_PARSE_TEXT_H_
#define RCNN_TRAINING_TESTING_PARSE_TEXT_H_

#include <google/protobuf/text_format.h>

#include <string>

#include "gtest/gtest.h"

namespace rcnn::training {

// The message of type T that `text` describes. The test fails if it describes none.
template <typename T>
T Parse(const std::string& text) {
  T message;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &message)) << text;
  return message;
}

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TESTING_PARSE_TEXT_H_
