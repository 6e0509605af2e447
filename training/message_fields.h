// A message as a list of "path: value", for keys and for saying what changed.
//
// Example: training.solver.learning_rate 0.001; stages[2].freeze ["backbone"]

#ifndef RCNN_TRAINING_MESSAGE_FIELDS_H_
#define RCNN_TRAINING_MESSAGE_FIELDS_H_

#include <google/protobuf/message.h>

#include <map>
#include <string>

#include "absl/strings/string_view.h"

namespace rcnn::training {

// Path to value, sorted by path.
using FieldMap = std::map<std::string, std::string>;

// Adds every field that is set to `fields`, under `prefix` followed by its path.
// Values are textproto: strings quoted, so without line breaks; lists in
// brackets; "{}" for a message in which nothing is set.
void AddMessageFields(const google::protobuf::Message& message, absl::string_view prefix,
                      FieldMap& fields);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_MESSAGE_FIELDS_H_
