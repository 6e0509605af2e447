#include "rcnn/training/stages/proposal_stage.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/data/proposals/proposal_file.h"
#include "rcnn/data/proposals/proposal_journal.h"
#include "rcnn/data/proposals/proposal_writer.h"
#include "rcnn/data/selective_search/selective_search_proposals.h"
#include "rcnn/eval/proposal_recall.h"
#include "rcnn/training/distributed/agreement.h"
#include "rcnn/training/stages/inference_options.h"
#include "rcnn/training/stages/inferred_image.h"
#include "rcnn/training/stages/propose_all.h"
#include "rcnn/training/stages/stage_features.h"
#include "rcnn/training/stages/stage_inputs.h"
#include "rcnn/training/stages/stage_model.h"
#include "rcnn/training/trainer/metrics_log.h"

namespace rcnn::training {
namespace {

using configs::StageConfig;
using data::Dataset;

constexpr char kMetricsFile[] = "metrics.jsonl";

using Numbers = std::vector<std::pair<std::string, double>>;

// The recall of the stored boxes.
absl::StatusOr<Numbers> RecallNumbers(const std::string& path, const Dataset& dataset) {
  RCNN_ASSIGN_OR_RETURN(const auto file, data::ProposalFile::Open(path, dataset));
  eval::ProposalRecallOptions options;
  options.counts = {100, 300, 2000};
  RCNN_ASSIGN_OR_RETURN(const eval::ProposalRecall recall,
                        eval::MeasureRecall(dataset, *file, options));
  Numbers numbers = {
      {"proposals_per_image", static_cast<double>(file->total()) /
                                  static_cast<double>(std::max<int64_t>(file->size(), 1))}};
  for (size_t n = 0; n < options.counts.size(); ++n) {
    const auto count = static_cast<int64_t>(n);
    numbers.emplace_back(absl::StrCat("recall50_", options.counts[n]), recall.Recall(0, count, 0));
    numbers.emplace_back(absl::StrCat("ar_", options.counts[n]), recall.AverageRecall(0, count));
  }
  return numbers;
}

std::string ForPeople(const Numbers& numbers) {
  return absl::StrJoin(numbers, "  ", [](std::string* out, const auto& number) {
    absl::StrAppendFormat(out, number.second < 10 ? "%s %.3f" : "%s %.0f", number.first,
                          number.second);
  });
}

// Measures the recall of the stage's proposals, logs it, and adds it to the result.
absl::Status AddRecall(const ExperimentRun& run, const StageConfig& stage, const Dataset& dataset,
                       StageResult& result) {
  const std::string& name = stage.name();
  RCNN_ASSIGN_OR_RETURN(const Numbers numbers,
                        RecallNumbers(StageFilePath(run, name, kProposalsFile), dataset));
  RCNN_RETURN_IF_ERROR(CheckMayWrite(run));
  RCNN_RETURN_IF_ERROR(
      LogOnce(run.directories.at(name), run.events_directory, name, dataset.size(), numbers));
  result.outputs.push_back(kMetricsFile);
  result.report = ForPeople(numbers);
  return absl::OkStatus();
}

// The number that rank 0 has, or its error, on all ranks.
absl::StatusOr<int64_t> NumberOfFirst(const ExperimentRun& run,
                                      const absl::StatusOr<int64_t>& number) {
  if (run.ranks == nullptr) return number;
  RCNN_ASSIGN_OR_RETURN(
      const std::string text,
      ResultOfFirst(*run.ranks, number.ok() ? absl::StatusOr<std::string>(absl::StrCat(*number))
                                            : number.status()));
  int64_t first = 0;
  if (absl::SimpleAtoi(text, &first)) return first;
  return absl::InternalError("rank 0 has sent no number");
}

// A pass over the images of the stage's dataset or their mirror images, from image `first` on.
absl::Status Propose(const ExperimentRun& run, const StageConfig& stage,
                     const std::shared_ptr<detection::FasterRcnn>& model,
                     const std::shared_ptr<const Dataset>& dataset, bool mirrored, int64_t first,
                     absl::FunctionRef<absl::Status(const InferredProposals&)> take) {
  const configs::GenerateProposalsConfig& config = stage.generate_proposals();
  InferenceOptions options;
  options.transform = run.config.data().transform();
  options.loader = run.config.resources().loader();
  options.max_graphs = run.config.resources().inference_graphs();
  options.images_together = run.config.resources().inference_batch();
  options.ranks = run.ranks;
  // Mirror images are made after resizing here, but before it in training.
  if (!mirrored) options.features = CachedFeatures(run, *dataset, options.transform, model);
  options.cache = run.features;
  const int64_t before = mirrored ? dataset->size() : 0;
  options.started = [&](int64_t done) {
    if (run.started) run.started(before + done);
  };
  options.progress = [&](int64_t done) {
    if (run.progress) run.progress(before + done, "");
  };
  const configs::ProposalsConfig& limits =
      config.has_proposals() ? config.proposals() : run.config.model().rpn().test_proposals();
  return ProposeAll(*model, dataset, limits, options, first, mirrored, take);
}

// The proposals of a pass, as far as they are there.
class StoredPass {
 public:
  static absl::StatusOr<StoredPass> Open(const std::string& path, const std::string& key,
                                         const Dataset& dataset, const std::string& stage) {
    RCNN_ASSIGN_OR_RETURN(data::ProposalWriter writer,
                          data::ProposalWriter::Create(path, dataset, stage));
    const auto append = [&](absl::Span<const data::Box> boxes, absl::Span<const float> scores) {
      return writer.Append(boxes, scores);
    };
    RCNN_ASSIGN_OR_RETURN(data::ProposalJournal journal,
                          data::ProposalJournal::Open(absl::StrCat(path, ".partial"), key, append));
    return StoredPass(std::move(writer), std::move(journal));
  }

  int64_t size() const { return writer_.size(); }

  absl::Status Append(const InferredProposals& found) {
    RCNN_RETURN_IF_ERROR(writer_.Append(found.boxes, found.scores));
    return journal_.Append(found.boxes, found.scores);
  }

  absl::Status Commit() {
    RCNN_RETURN_IF_ERROR(writer_.Commit().status());
    return journal_.Remove();
  }

 private:
  StoredPass(data::ProposalWriter writer, data::ProposalJournal journal)
      : writer_(std::move(writer)), journal_(std::move(journal)) {}

  data::ProposalWriter writer_;
  data::ProposalJournal journal_;
};

// The journal's key. That of the mirrored images also names the contents of the other pass's file,
// which has no checksum until the stage is finished.
absl::StatusOr<std::string> JournalKey(const ExperimentRun& run, const StageConfig& stage,
                                       bool mirrored) {
  const std::string& key = run.keys.at(stage.name());
  if (!mirrored) return key;
  RCNN_ASSIGN_OR_RETURN(const FileDigest first,
                        ComputeFileDigest(StageFilePath(run, stage.name(), kProposalsFile)));
  return absl::StrFormat("%s after %d bytes with CRC-32C %08x", key, first.size, first.crc32c);
}

absl::StatusOr<StoredPass> OpenPass(const ExperimentRun& run, const StageConfig& stage,
                                    const Dataset& dataset, bool mirrored) {
  RCNN_ASSIGN_OR_RETURN(const std::string key, JournalKey(run, stage, mirrored));
  RCNN_RETURN_IF_ERROR(CheckMayWrite(run));
  const std::string path =
      StageFilePath(run, stage.name(), mirrored ? kMirroredProposalsFile : kProposalsFile);
  return StoredPass::Open(path, key, dataset, stage.name());
}

// Finished images are kept in a journal next to the file until it is complete.
absl::Status WriteProposals(const ExperimentRun& run, const StageConfig& stage,
                            const std::shared_ptr<detection::FasterRcnn>& model,
                            const std::shared_ptr<const Dataset>& dataset, bool mirrored) {
  if (!IsFirstRank(run)) {
    RCNN_ASSIGN_OR_RETURN(const int64_t first, NumberOfFirst(run, 0));
    return Propose(run, stage, model, dataset, mirrored, first,
                   [](const InferredProposals&) { return absl::OkStatus(); });
  }
  absl::StatusOr<StoredPass> pass = OpenPass(run, stage, *dataset, mirrored);
  RCNN_ASSIGN_OR_RETURN(
      const int64_t first,
      NumberOfFirst(run, pass.ok() ? absl::StatusOr<int64_t>(pass->size()) : pass.status()));
  RCNN_RETURN_IF_ERROR(
      Propose(run, stage, model, dataset, mirrored, first,
              [&](const InferredProposals& found) { return pass->Append(found); }));
  RCNN_RETURN_IF_ERROR(CheckMayWrite(run));
  return pass->Commit();
}

// Whether the pass over mirrored images was interrupted, so that the pass over the images
// themselves is done: there is a journal of the other pass with this stage's key and the contents
// of the file.
absl::StatusOr<bool> IsFirstPassDone(const ExperimentRun& run, const StageConfig& stage) {
  if (!stage.generate_proposals().on_mirrored_images()) return false;
  const absl::StatusOr<std::string> key = JournalKey(run, stage, /*mirrored=*/true);
  if (IsDamage(key.status())) return false;
  RCNN_RETURN_IF_ERROR(key.status());
  return data::ProposalJournal::Exists(
      StageFilePath(run, stage.name(), kMirroredProposalsFile) + ".partial", *key);
}

// Rank 0 finds out, for all ranks.
absl::Status FirstPass(const ExperimentRun& run, const StageConfig& stage,
                       const std::shared_ptr<detection::FasterRcnn>& model,
                       const std::shared_ptr<const Dataset>& dataset) {
  absl::StatusOr<bool> is_done = false;
  if (IsFirstRank(run)) is_done = IsFirstPassDone(run, stage);
  RCNN_ASSIGN_OR_RETURN(
      const int64_t done,
      NumberOfFirst(run, is_done.ok() ? absl::StatusOr<int64_t>(*is_done ? 1 : 0)
                                      : absl::StatusOr<int64_t>(is_done.status())));
  if (done == 1) return absl::OkStatus();
  return WriteProposals(run, stage, model, dataset, /*mirrored=*/false);
}

}  // namespace

absl::StatusOr<StageResult> RunProposalStage(const ExperimentRun& run, const StageConfig& stage) {
  const configs::GenerateProposalsConfig& config = stage.generate_proposals();
  RCNN_ASSIGN_OR_RETURN(const auto dataset, FindDataset(run, config.dataset()));
  RCNN_ASSIGN_OR_RETURN(const auto weights, StageWeights(run, config.rpn()));
  const configs::StageConfig* source = FindStage(run.config, config.rpn());
  RCNN_ASSIGN_OR_RETURN(const auto model,
                        MakeTrainedModel(StageModelConfig(run.config.model(), *source),
                                         dataset->classes().size(), weights, run.device),
                        StageFilePath(run, config.rpn(), kModelFile));
  RCNN_RETURN_IF_ERROR(FirstPass(run, stage, model, dataset));
  StageResult result = {{kProposalsFile}, ""};
  if (config.on_mirrored_images()) {
    RCNN_RETURN_IF_ERROR(WriteProposals(run, stage, model, dataset, /*mirrored=*/true));
    result.outputs.push_back(kMirroredProposalsFile);
  }
  if (!IsFirstRank(run)) return StageResult();
  RCNN_RETURN_IF_ERROR(AddRecall(run, stage, *dataset, result));
  return result;
}

// Of rank 0 alone.
absl::StatusOr<StageResult> RunSelectiveSearchStage(const ExperimentRun& run,
                                                    const StageConfig& stage) {
  if (!IsFirstRank(run)) return StageResult();
  const configs::SelectiveSearchStageConfig& config = stage.selective_search();
  RCNN_ASSIGN_OR_RETURN(const auto dataset, FindDataset(run, config.dataset()));
  data::SelectiveSearchRun search;
  search.path = StageFilePath(run, stage.name(), kProposalsFile);
  search.quiet = true;
  search.may_write = run.may_write;
  search.started = run.started;
  search.progress = [&](int64_t done) {
    if (run.progress) run.progress(done, "");
  };
  RCNN_RETURN_IF_ERROR(data::WriteSelectiveSearchProposals(*dataset, config.search(), search));
  StageResult result = {{kProposalsFile}, ""};
  RCNN_RETURN_IF_ERROR(AddRecall(run, stage, *dataset, result));
  return result;
}

}  // namespace rcnn::training
