// A message as a list of "path: value", for keys and for saying what changed.
//
// What is as by default is told from what is not: a key is of the latter alone, so
// that it stays the same when the schema gets a field whose default is what was
// done before.
//
// Example: training.solver.learning_rate 0.001; stages[2].freeze ["backbone"]

#ifndef RCNN_TRAINING_CONFIG_MESSAGE_FIELDS_H_
#define RCNN_TRAINING_CONFIG_MESSAGE_FIELDS_H_

#include <google/protobuf/message.h>

#include <map>
#include <string>

#include "absl/strings/string_view.h"

namespace rcnn::training {

// Path to value, sorted by path.
using FieldMap = std::map<std::string, std::string>;

struct MessageFields {
  // Every field that is set. Values are textproto: strings quoted, so without line
  // breaks; lists in brackets; "{}" for a message, whose fields follow.
  FieldMap set;
  // Of those of them that would mean something if they were absent, what that is.
  FieldMap defaults;
};

// Adds what is set in `message` to `fields`, under `prefix` followed by its path.
void AddMessageFields(const google::protobuf::Message& message, absl::string_view prefix,
                      MessageFields& fields);

// `fields.set` without what is as by default. Equal for a message with all its
// defaults written out (written_defaults.h) and with none.
FieldMap WithoutDefaults(const MessageFields& fields);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_CONFIG_MESSAGE_FIELDS_H_
