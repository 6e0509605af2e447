// Writes selective-search proposals for a dataset.

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "gflags/gflags.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/monotonic_time.h"
#include "rcnn/base/printable.h"
#include "rcnn/base/program.h"
#include "rcnn/base/progress.h"
#include "rcnn/base/shutdown.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/configs/selective_search.pb.h"
#include "rcnn/configs/textproto.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/data/proposals/proposal_file.h"
#include "rcnn/data/selective_search/search_config.h"
#include "rcnn/data/selective_search/selective_search_proposals.h"
#include "rcnn/data/sources/dataset_flag.h"

DEFINE_string(dataset, "shapes", rcnn::data::kDatasetFlagHelp);
DEFINE_string(data_root, "", "Folder that relative paths of --dataset start from.");
DEFINE_string(search, "",
              "An rcnn.configs.SelectiveSearchConfig as textproto, for example "
              "\"mode: QUALITY max_boxes: 0\".");
DEFINE_string(
    out, "",
    "The proposal file to write, ending in .safetensors. Until it is complete, OUT.partial "
    "holds the finished part, and the same command resumes there.");
DEFINE_int32(threads, 0, "Worker threads. 0: one for each core.");

namespace rcnn::data {
namespace {

absl::StatusOr<configs::SelectiveSearchConfig> ParseSearchFlag() {
  configs::SelectiveSearchConfig config;
  RCNN_RETURN_IF_ERROR(configs::ParseTextproto(FLAGS_search, "--search", &config));
  RCNN_RETURN_IF_ERROR(CheckSelectiveSearchConfig(config), "--search");
  return config;
}

absl::Status Run() {
  if (FLAGS_out.empty())
    return absl::InvalidArgumentError(
        "--out is missing: the proposal file to write, as in --out=proposals.safetensors");
  // A file of another name holds no proposals, and may be one of the dataset.
  if (!absl::EndsWith(FLAGS_out, ".safetensors")) {
    return absl::InvalidArgumentError(
        absl::StrCat("--out=", FLAGS_out, " does not end in .safetensors"));
  }
  if (FLAGS_threads < 0 || FLAGS_threads > 256) {
    return absl::InvalidArgumentError(
        absl::StrCat("--threads=", FLAGS_threads, " is not in [0, 256]"));
  }
  RCNN_ASSIGN_OR_RETURN(const configs::SelectiveSearchConfig search, ParseSearchFlag());
  // The search may take hours, so check first that its result can be written.
  RCNN_RETURN_IF_ERROR(AtomicFile::Create(FLAGS_out).status(), "--out");
  RCNN_ASSIGN_OR_RETURN(const std::unique_ptr<Dataset> dataset,
                        OpenDatasetFlag(FLAGS_dataset, {.data_root = FLAGS_data_root}));
  const absl::Time start = MonotonicNow();
  RCNN_RETURN_IF_ERROR(WriteSelectiveSearchProposals(
      *dataset, search, {.path = FLAGS_out, .threads = FLAGS_threads}));
  RCNN_ASSIGN_OR_RETURN(const auto file, ProposalFile::Open(FLAGS_out, *dataset));
  absl::PrintF("%s: %s for %s in %s\n", Printable(FLAGS_out),
               Counted(file->total(), "box", "boxes"), Counted(file->size(), "image"),
               HumanDuration(MonotonicNow() - start));
  return absl::OkStatus();
}

}  // namespace
}  // namespace rcnn::data

int main(int argc, char** argv) {
  rcnn::InitProgram({.usage = "Writes selective-search proposals for a dataset.\n\n"
                              "  write_selective_search --dataset=voc:FOLDER:trainval "
                              "--out=proposals.safetensors"},
                    &argc, &argv);
  rcnn::InstallShutdownHandler();
  return rcnn::ExitCode(rcnn::data::Run());
}
