// Parses textproto with helpful errors: the place, and the names that are allowed.
//
// protobuf's own parser says where it stopped. This adds, for an unknown field or
// enum value, the known ones, nearest first.
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
// "source:line:column: …" for the first error; lines and columns count from 1.
absl::Status ParseTextproto(absl::string_view text, absl::string_view source,
                            google::protobuf::Message* message);

// The names of the fields, and of the values, in the order of their declaration.
std::vector<std::string> FieldNames(const google::protobuf::Descriptor& type);
std::vector<std::string> ValueNames(const google::protobuf::EnumDescriptor& type);

}  // namespace rcnn::configs

#endif  // RCNN_CONFIGS_TEXTPROTO_H_
