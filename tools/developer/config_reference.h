// The manual's page on configs: every message of the schema with its fields,
// defaults and comments, as Markdown.
//
// Comments of files and messages become text, and what is indented in them by two
// spaces or more a block of code. A field's comment becomes a cell of a table.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(const std::string page, ConfigReference(files));

#ifndef RCNN_TOOLS_DEVELOPER_CONFIG_REFERENCE_H_
#define RCNN_TOOLS_DEVELOPER_CONFIG_REFERENCE_H_

#include <google/protobuf/descriptor.pb.h>

#include <string>

#include "absl/status/statusor.h"

namespace rcnn::tools {

// The page for `files`, a section each, in alphabetical order. They come from
// `protoc --include_source_info --descriptor_set_out`, a file after those that it
// imports. kInvalidArgument where one does not fit the ones before it.
absl::StatusOr<std::string> ConfigReference(const google::protobuf::FileDescriptorSet& files);

}  // namespace rcnn::tools

#endif  // RCNN_TOOLS_DEVELOPER_CONFIG_REFERENCE_H_
