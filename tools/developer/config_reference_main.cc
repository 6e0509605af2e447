// Prints the manual's page on configs; tools/developer/write_config_reference.sh
// writes docs/configs.md.

#include <gflags/gflags.h>
#include <google/protobuf/descriptor.pb.h>

#include <cstdio>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/program.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/tools/developer/config_reference.h"

DEFINE_string(descriptors, "",
              "The schema: what `protoc --include_source_info --descriptor_set_out` writes.");

namespace rcnn::tools {
namespace {

absl::Status Run() {
  if (FLAGS_descriptors.empty()) {
    return absl::InvalidArgumentError("--descriptors is missing: a file of file descriptors");
  }
  RCNN_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(FLAGS_descriptors));
  google::protobuf::FileDescriptorSet files;
  if (!files.ParseFromString(bytes) || files.file_size() == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(FLAGS_descriptors, " holds no file descriptors"));
  }
  RCNN_ASSIGN_OR_RETURN(const std::string page, ConfigReference(files));
  std::fputs(page.c_str(), stdout);
  return absl::OkStatus();
}

}  // namespace
}  // namespace rcnn::tools

int main(int argc, char** argv) {
  rcnn::ProgramOptions options;
  options.usage =
      "Prints the manual's page on configs.\n\n  config_reference_main --descriptors=FILE";
  rcnn::InitProgram(options, &argc, &argv);
  return rcnn::ExitCode(rcnn::tools::Run());
}
