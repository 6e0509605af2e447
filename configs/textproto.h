// Parses textproto with helpful errors: the place, and the names that are allowed.
//
// protobuf's own parser says where it stopped. This adds, for an unknown field or
// enum value, the known ones, nearest first, and bounds memory by the size of the text.
//
// Example:
//   rcnn::configs::ExperimentConfig config;
//   absl::Status status = ParseTextproto(text, "cells.textproto", &config);
//   // cells.textproto:12:5: "SolverConfig" has no field "learning_rte"; it has: learning_rate, …

#ifndef RCNN_CONFIGS_TEXTPROTO_H_
#define RCNN_CONFIGS_TEXTPROTO_H_

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace rcnn::configs {

// Replaces `message` with the contents of `text`. kInvalidArgument
// "source:line:column: …" for the first error; lines and columns count from 1. Takes memory of at
// most 16 times the text's size, and 4 MiB: a text that CheckTextprotoSize refuses is not parsed.
absl::Status ParseTextproto(absl::string_view text, absl::string_view source,
                            google::protobuf::Message* message);

// kInvalidArgument "line:column: …" if the text has more values than 10,000 and one for each 16
// bytes, or is nested deeper than 100, whatever its fields. A value is a message, that of a field,
// or one of a list.
absl::Status CheckTextprotoSize(absl::string_view text);

// The names of the fields, and of the values, in the order of their declaration.
std::vector<std::string> FieldNames(const google::protobuf::Descriptor& type);
std::vector<std::string> ValueNames(const google::protobuf::EnumDescriptor& type);

}  // namespace rcnn::configs

#endif  // RCNN_CONFIGS_TEXTPROTO_H_
