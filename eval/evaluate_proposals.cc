// Recall of proposals by IoU and number, as a table and a plot.
//
//   ./bazelw run //eval:evaluate_proposals -- --dataset=voc:VOCdevkit/VOC2007:test
//     --proposals=RPN=rpn.safetensors,SS=search.safetensors --svg=recall.svg

#include <gflags/gflags.h>

#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/path_length.h"
#include "rcnn/base/printable.h"
#include "rcnn/base/program.h"
#include "rcnn/base/recorded_result.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/data/proposals/proposal_file.h"
#include "rcnn/data/sources/dataset_flag.h"
#include "rcnn/eval/output_files.h"
#include "rcnn/eval/proposal_recall.h"
#include "rcnn/eval/recall_plot.h"

DEFINE_string(dataset, "", rcnn::data::kDatasetFlagHelp);
DEFINE_string(data_root, "", "Folder that relative paths of the dataset start from.");
DEFINE_string(proposals, "",
              "Proposal files of this dataset, NAME=FILE or FILE, separated by commas.");
DEFINE_string(counts, "10,20,50,100,200,300,500,1000,2000",
              "Numbers of proposals per image to evaluate, ascending.");
DEFINE_string(svg, "", "SVG file for the plot.");

namespace rcnn::eval {
namespace {

absl::StatusOr<ProposalRecallOptions> OptionsFromFlags() {
  ProposalRecallOptions options;
  options.counts.clear();
  for (absl::string_view part : absl::StrSplit(FLAGS_counts, ',', absl::SkipWhitespace())) {
    int64_t count = 0;
    if (!absl::SimpleAtoi(part, &count)) {
      return absl::InvalidArgumentError(absl::StrCat("--counts: '", part, "' is not a number"));
    }
    options.counts.push_back(count);
  }
  RCNN_RETURN_IF_ERROR(CheckOptions(options), "--counts");
  return options;
}

// The name and the path in NAME=FILE; a plain FILE is named by its path.
std::pair<std::string, std::string> NameAndPath(absl::string_view proposals) {
  const std::pair<absl::string_view, absl::string_view> sides =
      absl::StrSplit(proposals, absl::MaxSplits('=', 1));
  const bool named = proposals.find('=') != absl::string_view::npos;
  return {std::string(sides.first), std::string(named ? sides.second : sides.first)};
}

absl::StatusOr<RecallSeries> Measure(absl::string_view proposals, const data::Dataset& dataset,
                                     const ProposalRecallOptions& options) {
  const auto [name, path] = NameAndPath(proposals);
  if (path.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("'", proposals, "' is not NAME=FILE or FILE"));
  }
  RCNN_RETURN_IF_ERROR(CheckRecordedResult(path));
  RCNN_ASSIGN_OR_RETURN(std::shared_ptr<const data::ProposalFile> file,
                        data::ProposalFile::Open(path, dataset));
  RecallSeries series;
  series.name = name;
  RCNN_ASSIGN_OR_RETURN(series.recall, MeasureRecall(dataset, *file, options), path);
  return series;
}

absl::Status Run() {
  if (FLAGS_dataset.empty() || FLAGS_proposals.empty()) {
    return absl::InvalidArgumentError(
        "--dataset and --proposals are needed: a dataset and proposal files for it, as training "
        "and //data:write_selective_search write them; for example "
        "--dataset=voc:VOCdevkit/VOC2007:test --proposals=SS=search.safetensors");
  }
  RCNN_ASSIGN_OR_RETURN(ProposalRecallOptions options, OptionsFromFlags());
  std::vector<NamedFile> inputs;
  for (absl::string_view part : absl::StrSplit(FLAGS_proposals, ',')) {
    inputs.push_back({"--proposals", NameAndPath(part).second});
  }
  RCNN_RETURN_IF_ERROR(CheckOutputs({{"--svg", FLAGS_svg}}, inputs));
  RCNN_ASSIGN_OR_RETURN(const std::unique_ptr<data::Dataset> dataset,
                        data::OpenDatasetFlag(FLAGS_dataset, {.data_root = FLAGS_data_root}));
  std::vector<RecallSeries> all;
  for (absl::string_view part : absl::StrSplit(FLAGS_proposals, ',')) {
    RCNN_ASSIGN_OR_RETURN(RecallSeries series, Measure(part, *dataset, options),
                          ShownFlag("--proposals", FLAGS_proposals));
    all.push_back(std::move(series));
  }
  std::printf("%s", FormatRecallTable(all).c_str());
  if (FLAGS_svg.empty()) return absl::OkStatus();
  RCNN_RETURN_IF_ERROR(WriteFileAtomically(FLAGS_svg, RecallPlotSvg(all)).status());
  std::printf("\nThe plot: %s\n", Printable(FLAGS_svg).c_str());
  return absl::OkStatus();
}

}  // namespace
}  // namespace rcnn::eval

int main(int argc, char** argv) {
  rcnn::ProgramOptions program;
  program.usage =
      "Measures the recall of proposals by IoU and number of proposals.\n\n  evaluate_proposals "
      "--dataset=voc:FOLDER:SPLIT --proposals=RPN=rpn.safetensors,SS=search.safetensors "
      "[--svg=recall.svg]";
  rcnn::InitProgram(program, &argc, &argv);
  return rcnn::ExitCode(rcnn::eval::Run());
}
