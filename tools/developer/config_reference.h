// Generates docs/configs.md: every message of the schema with its fields, defaults
// and comments.
//
// Comments of files and messages become text; parts indented by two or more spaces
// become code blocks. A field's comment becomes a table cell.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(const std::string page, ConfigReference(files));

#ifndef RCNN_TOOLS_DEVELOPER_CONFIG_REFERENCE_H_
#define RCNN_TOOLS_DEVELOPER_CONFIG_REFERENCE_H_

#include <google/protobuf/descriptor.pb.h>

#include <string>

#include "absl/status/statusor.h"

namespace rcnn::tools {

// The page for `files`, one section each, in alphabetical order. `files` come from
// `protoc --include_source_info --descriptor_set_out`, each after the files that it
// imports. kInvalidArgument if a file does not match the previous ones.
absl::StatusOr<std::string> ConfigReference(const google::protobuf::FileDescriptorSet& files);

}  // namespace rcnn::tools

#endif  // RCNN_TOOLS_DEVELOPER_CONFIG_REFERENCE_H_
