// A message as a list of "path: value", for keys and for reporting changes.
//
// Default values are separated from others: a key contains only non-default values,
// so that it does not change when the schema gets a new field whose default is the
// old behaviour.
//
// Example:
//   MessageFields fields;
//   AddMessageFields(config, /*prefix=*/"", fields);
//   fields.set["seed"];  // "4"

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
  // The defaults of those fields in `set` whose absence has a meaning.
  FieldMap defaults;
};

// Adds the set fields of `message` to `fields`, with `prefix` before their paths.
void AddMessageFields(const google::protobuf::Message& message, absl::string_view prefix,
                      MessageFields& fields);

// `fields.set` without default values. Equal for a message with all defaults
// written out (written_defaults.h) and with none.
FieldMap WithoutDefaults(const MessageFields& fields);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_CONFIG_MESSAGE_FIELDS_H_
