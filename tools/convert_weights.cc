// Converts weights of other projects to rcnn's, and back. See --help.

#include <gflags/gflags.h>

#include <cstdio>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/path_length.h"
#include "rcnn/base/printable.h"
#include "rcnn/base/program.h"
#include "rcnn/base/runtime.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/tools/convert_weights_flags.h"
#include "rcnn/tools/weights_conversion.h"

namespace rcnn::tools {
namespace {

using detection::weights::ChannelOrder;
using detection::weights::NameDirection;

absl::StatusOr<std::optional<ChannelOrder>> ParseChannelOrder() {
  if (FLAGS_channel_order.empty()) return std::nullopt;
  if (FLAGS_channel_order == "rgb") return ChannelOrder::kRgb;
  if (FLAGS_channel_order == "bgr") return ChannelOrder::kBgr;
  return absl::InvalidArgumentError(
      absl::StrCat("--channel_order is '", FLAGS_channel_order, "', not rgb or bgr"));
}

absl::Status CheckOutput() {
  if (FLAGS_output.empty()) {
    return absl::InvalidArgumentError(
        "--output is missing: the file to write, ending in .safetensors, .pth or .pt; use --list "
        "to only look at --input");
  }
  for (const char* ending : {".safetensors", ".pth", ".pt"}) {
    if (absl::EndsWith(FLAGS_output, ending)) {
      return Annotate(AtomicFile::Create(FLAGS_output).status(), "--output");
    }
  }
  return absl::InvalidArgumentError(absl::StrCat(ShownFlag("--output", FLAGS_output),
                                                 " does not end in .safetensors, .pth or .pt"));
}

absl::StatusOr<std::string> Convert() {
  if (FLAGS_list_maps) return ListNameMaps();
  if (FLAGS_input.empty())
    return absl::InvalidArgumentError(
        "--input is missing: the weights to read (.safetensors, .pth, .pt or .caffemodel); --help "
        "has examples");
  RCNN_RETURN_IF_ERROR(CheckPathLength("--input", FLAGS_input, "give a file of weights"));
  if (FLAGS_list) return ListWeights(FLAGS_input);
  RCNN_RETURN_IF_ERROR(CheckOutput());
  WeightsConversion conversion;
  conversion.input = FLAGS_input;
  conversion.output = FLAGS_output;
  conversion.map = FLAGS_map;
  conversion.direction = FLAGS_reverse ? NameDirection::kToTheirs : NameDirection::kToOurs;
  conversion.every_tensor = FLAGS_every_tensor;
  RCNN_ASSIGN_OR_RETURN(conversion.channel_order, ParseChannelOrder());
  if (FLAGS_reverse && conversion.channel_order.has_value()) {
    return absl::InvalidArgumentError("--channel_order is for conversions to rcnn's names");
  }
  return ConvertWeights(conversion);
}

absl::Status Run() {
  RCNN_ASSIGN_OR_RETURN(const std::string text, Convert());
  std::fputs(PrintableLines(text).c_str(), stdout);
  return absl::OkStatus();
}

}  // namespace
}  // namespace rcnn::tools

int main(int argc, char** argv) {
  rcnn::InitRuntime(rcnn::DescribeProgram(), &argc, &argv);
  return rcnn::ExitCode(rcnn::tools::Run());
}
