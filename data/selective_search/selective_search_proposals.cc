#include "rcnn/data/selective_search/selective_search_proposals.h"

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "rcnn/base/progress.h"
#include "rcnn/base/shutdown.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/core/sample.h"
#include "rcnn/data/proposals/proposal_journal.h"
#include "rcnn/data/proposals/proposal_writer.h"
#include "rcnn/data/selective_search/search_config.h"
#include "rcnn/data/selective_search/selective_search.h"

namespace rcnn::data {
namespace {

using configs::SelectiveSearchConfig;

absl::StatusOr<RankedBoxes> SearchImage(const Dataset& dataset, const SelectiveSearchConfig& config,
                                        int64_t index) {
  RCNN_ASSIGN_OR_RETURN(const std::shared_ptr<const Image> image, dataset.LoadImage(index));
  const StreamKey key = {
      .seed = config.seed(), .stage = "selective search", .step = index, .purpose = "ranks"};
  RCNN_ASSIGN_OR_RETURN(RankedBoxes found, SelectiveSearch(*image, config, key),
                        dataset.image(index).name);
  if (dataset.inclusive_boxes()) {
    for (Box& box : found.boxes) box = {box.x1, box.y1, box.x2 - 1, box.y2 - 1};
  }
  return found;
}

// Threads that process images, a few ahead of the requested one.
class OrderedSearch {
 public:
  // From image `first` on.
  OrderedSearch(const Dataset& dataset, const SelectiveSearchConfig& config, int64_t first,
                int threads)
      : dataset_(dataset),
        config_(config),
        ahead_(4 * threads),
        started_(first),
        delivered_(first) {
    for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Work(); });
  }

  ~OrderedSearch() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  // The images' results, one call after the other.
  absl::StatusOr<RankedBoxes> Next() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return NextIsDone(); });
    absl::StatusOr<RankedBoxes> result = std::move(done_.begin()->second);
    done_.erase(done_.begin());
    ++delivered_;
    changed_.notify_all();
    return result;
  }

 private:
  bool NextIsDone() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return !done_.empty() && done_.begin()->first == delivered_;
  }
  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || started_ == dataset_.size() || started_ < delivered_ + ahead_;
  }

  void Work() {
    std::unique_lock<std::mutex> lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return HasWork(); });
      if (stopping_ || started_ == dataset_.size()) return;
      const int64_t index = started_++;
      lock.unlock();
      absl::StatusOr<RankedBoxes> result = ShutdownRequested()
                                               ? absl::CancelledError("interrupted")
                                               : SearchImage(dataset_, config_, index);
      lock.lock();
      done_.emplace(index, std::move(result));
      changed_.notify_all();
    }
  }

  const Dataset& dataset_;
  const SelectiveSearchConfig& config_;
  const int64_t ahead_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int64_t started_ ABSL_GUARDED_BY(mutex_);
  int64_t delivered_ ABSL_GUARDED_BY(mutex_);
  std::map<int64_t, absl::StatusOr<RankedBoxes>> done_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

// Searches the images that `writer` does not have yet.
absl::Status SearchTheRest(const Dataset& dataset, const SelectiveSearchConfig& config,
                           const SelectiveSearchRun& run, ProposalJournal& journal,
                           ProposalWriter& writer) {
  const int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  if (run.started) run.started(writer.size());
  OrderedSearch search(dataset, config, writer.size(), run.threads > 0 ? run.threads : cores);
  ProgressOptions progress_options;
  progress_options.quiet = run.quiet;
  progress_options.unit = "images";
  Progress progress("selective search", dataset.size(), writer.size(), progress_options);
  while (writer.size() < dataset.size()) {
    RCNN_ASSIGN_OR_RETURN(const RankedBoxes found, search.Next());
    RCNN_RETURN_IF_ERROR(writer.Append(found.boxes, found.scores));
    RCNN_RETURN_IF_ERROR(journal.Append(found.boxes, found.scores));
    progress.Add();
    if (run.progress) run.progress(writer.size());
  }
  progress.Finish();
  return absl::OkStatus();
}

absl::Status CheckMayWrite(const SelectiveSearchRun& run) {
  return run.may_write ? run.may_write() : absl::OkStatus();
}

}  // namespace

absl::Status WriteSelectiveSearchProposals(const Dataset& dataset,
                                           const SelectiveSearchConfig& config,
                                           const SelectiveSearchRun& run) {
  RCNN_RETURN_IF_ERROR(CheckSelectiveSearchConfig(config));
  const std::string source =
      absl::StrCat("selective search, ", SelectiveSearchConfig::Mode_Name(config.mode()), ": ",
                   config.ShortDebugString());
  RCNN_RETURN_IF_ERROR(CheckMayWrite(run));
  RCNN_ASSIGN_OR_RETURN(ProposalWriter writer, ProposalWriter::Create(run.path, dataset, source));
  RCNN_ASSIGN_OR_RETURN(
      ProposalJournal journal,
      ProposalJournal::Open(absl::StrCat(run.path, ".partial"),
                            absl::StrCat(dataset.fingerprint(), " ", source),
                            [&](absl::Span<const Box> boxes, absl::Span<const float> scores) {
                              return writer.Append(boxes, scores);
                            }));
  RCNN_RETURN_IF_ERROR(SearchTheRest(dataset, config, run, journal, writer));
  RCNN_RETURN_IF_ERROR(CheckMayWrite(run));
  RCNN_RETURN_IF_ERROR(writer.Commit().status());
  return journal.Remove();
}

}  // namespace rcnn::data
