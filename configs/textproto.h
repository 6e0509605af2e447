// Textproto whose errors help: place, and the names that would have been right.
//
// protobuf's own parser says where it stopped; this adds, for a field or an enum
// value that does not exist, those that do, nearest first.
//
// Example:
//   ExperimentConfig config;
//   RCNN_RETURN_IF_ERROR(ParseTextproto(text, "cells.textproto", &config));
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

// Replaces `message` by what `text` says. kInvalidArgument
// "source:line:column: …" for the first error; lines and columns count from 1.
absl::Status ParseTextproto(absl::string_view text, absl::string_view source,
                            google::protobuf::Message* message);

// `names`, separated by commas, those that differ from `wanted` in the fewest
// letters first.
std::string NearestFirst(absl::string_view wanted, std::vector<std::string> names);

std::vector<std::string> FieldNames(const google::protobuf::Descriptor& type);
std::vector<std::string> ValueNames(const google::protobuf::EnumDescriptor& type);

}  // namespace rcnn::configs

#endif  // RCNN_CONFIGS_TEXTPROTO_H_
