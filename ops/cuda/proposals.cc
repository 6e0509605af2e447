#include "rcnn/ops/proposals.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros.h>
#include <torch/library.h>

#include <cstdint>
#include <tuple>
#include <vector>

#include "rcnn/ops/counted_proposals.h"
#include "rcnn/ops/cuda/proposals.h"
#include "rcnn/ops/cuda/registration.h"
#include "rcnn/ops/proposals_request.h"

namespace rcnn::ops {
namespace {

// Of a level, as ProposalMaps has them.
constexpr int64_t kMaxAnchors = int64_t{1} << 32;

FloatMaps MakeMaps(const at::Tensor& tensor) {
  return {tensor.data_ptr<float>(), tensor.stride(0), tensor.stride(1), tensor.stride(2),
          tensor.stride(3)};
}

// The images in the device's memory. The copy waits for the stream.
at::Tensor CopyImages(const std::vector<ProposalImage>& images, const at::Tensor& like) {
  const int64_t bytes = static_cast<int64_t>(images.size() * sizeof(ProposalImage));
  // A copy to the device reads memory that does not change.
  auto* data = const_cast<ProposalImage*>(images.data());
  return at::from_blob(data, {bytes}, at::kByte).to(like.device());
}

// The request as the kernels read it. `levels`, `images` and the result's scratch must outlive the
// launch.
DeviceProposalWork MakeWork(const ProposalRequest& request, const at::Tensor& images) {
  const std::vector<ProposalLevel>& levels = request.levels;
  const ProposalOptions& options = request.options;
  TORCH_CHECK(static_cast<int64_t>(levels.size()) <= kMaxProposalLevels,
              "levels: expected at most ", kMaxProposalLevels, " on this device, got ",
              levels.size());
  DeviceProposalWork work{};
  work.rows.coding = BoxCoding<float>(options.coder);
  ProposalRows& rows = work.rows;
  for (const ProposalLevel& level : levels) {
    TORCH_CHECK(level.anchors.size(0) < kMaxAnchors,
                "anchors: expected fewer than 2^32 in a level on this device, got ",
                level.anchors.size(0));
    rows.AddLevel({level.deltas.size(2), level.deltas.size(3), level.deltas.size(1) / 4,
                   MakeMaps(level.logits), MakeMaps(level.deltas),
                   level.anchors.data_ptr<float>()});
  }
  rows.images = reinterpret_cast<const ProposalImage*>(images.data_ptr<uint8_t>());
  rows.is_pair = options.objectness == ObjectnessKind::kSoftmaxPair;
  rows.edge = options.coder.inclusive ? 1 : 0;
  rows.pre_nms_top_n = options.pre_nms_top_n;
  rows.drop_small_before_top_n = options.drop_small_before_top_n;
  work.num_images = levels[0].deltas.size(0);
  work.capacity = request.LevelCapacity();
  work.post_nms_top_n = request.Capacity();
  work.nms.rows = work.NumRows();
  work.nms.capacity = work.capacity;
  work.nms.threshold = LargestAllowed<float>(options.nms_iou_threshold, options.nms_suppress_equal);
  work.nms.extra = rows.edge;
  work.nms.max_keep = options.post_nms_top_n;
  return work;
}

void AddScratch(DeviceProposalWork* work, Workspace* workspace) {
  const int64_t rows = work->NumRows();
  const int64_t all = rows * work->capacity;
  PlanProposalSelections(*workspace, work);
  workspace->Add(&work->decoded, 4 * all);
  workspace->Add(&work->logits, all);
  workspace->Add(&work->is_large, all);
  workspace->Add(&work->large, all);
  workspace->Add(&work->large_counts, rows);
  workspace->Add(&work->large_boxes, 4 * all);
  workspace->Add(&work->large_logits, all);
  workspace->Add(&work->merged, work->num_images * work->MergedCapacity());
  workspace->Add(&work->merge_scratch, work->num_images * work->MergedCapacity());
  NmsWork<float, 4096>& nms = work->nms;
  const int64_t kept = rows * nms.KeptCapacity();
  workspace->Add(&nms.kept, kept);
  workspace->Add(&nms.kept_count, rows);
  workspace->Add(&nms.entries, all);
  workspace->Add(&nms.sort_scratch, all);
  workspace->Add(&nms.sorted, all);
  workspace->Add(&nms.kept_boxes, kept);
  workspace->Add(&nms.suppressed, rows * nms.Chunks() * nms.SlabWords());
  workspace->Add(&nms.nonzero, rows * nms.SlabWords() * nms.SlabWords());
  workspace->Add(&nms.mask, rows * nms.SlabRows() * nms.SlabWords());
}

// Results of a fixed number of rows for each image, and counts.
struct Results {
  at::Tensor rois;    // [B, K, 5]
  at::Tensor scores;  // [B, K]
  at::Tensor counts;  // [B]
};

Results AllocateResults(const ProposalRequest& request) {
  const at::TensorOptions floats = request.levels[0].deltas.options();
  const int64_t images = request.batch(), rows = request.Capacity();
  return {at::empty({images, rows, 5}, floats), at::empty({images, rows}, floats),
          at::zeros({images}, floats.dtype(at::kLong))};
}

// Fills the results by `launch(work)`, which queues the kernels.
template <typename Launch>
Results Propose(const ProposalRequest& request, const at::Tensor& images, const Launch& launch) {
  const Results found = AllocateResults(request);
  if (found.scores.numel() == 0) return found;
  DeviceProposalWork work = MakeWork(request, images);
  work.rois = found.rois.data_ptr<float>();
  work.scores = found.scores.data_ptr<float>();
  work.counts = found.counts.data_ptr<int64_t>();
  Workspace workspace;
  AddScratch(&work, &workspace);
  const at::Tensor memory = workspace.Allocate(request.levels[0].deltas);
  work.nms.boxes = work.large_boxes;
  work.nms.scores = work.large_logits;
  work.nms.counts = work.large_counts;
  CheckLaunch(launch(work), "proposals");
  return found;
}

// The rows that count, of all images one after another. Waits for the device, to read the counts.
Proposals Packed(const Results& found) {
  const at::Tensor counts = found.counts.cpu();
  std::vector<at::Tensor> rois, scores;
  for (int64_t b = 0; b < counts.size(0); ++b) {
    const int64_t count = counts.data_ptr<int64_t>()[b];
    rois.push_back(found.rois[b].slice(0, 0, count));
    scores.push_back(found.scores[b].slice(0, 0, count));
  }
  return {at::cat(rois), at::cat(scores), found.counts};
}

// Logits and deltas as the kernels read them.
void MakeReadable(ProposalRequest& request) {
  for (ProposalLevel& level : request.levels) {
    level = {level.logits.detach().to(at::kFloat), level.deltas.detach().to(at::kFloat),
             level.anchors.detach().contiguous()};
  }
}

using ProposalTensors = std::tuple<at::Tensor, at::Tensor, at::Tensor>;

ProposalTensors ProposalsOnCuda(at::TensorList logits, at::TensorList deltas,
                                at::TensorList anchors, at::ArrayRef<double> image_info,
                                c10::string_view objectness, int64_t pre_nms_top_n,
                                int64_t post_nms_top_n, double nms_iou_threshold,
                                bool nms_suppress_equal, double min_side_px,
                                bool drop_small_before_top_n, at::ArrayRef<double> weights,
                                at::ArrayRef<double> mean, at::ArrayRef<double> stddev,
                                double max_log_scale, bool inclusive, bool exact_inverse) {
  ProposalRequest request = ReadProposalRequest(
      logits, deltas, anchors, image_info, objectness, pre_nms_top_n, post_nms_top_n,
      nms_iou_threshold, nms_suppress_equal, min_side_px, drop_small_before_top_n, weights, mean,
      stddev, max_log_scale, inclusive, exact_inverse);
  const c10::cuda::CUDAGuard guard(request.levels[0].deltas.device());
  MakeReadable(request);
  if (request.batch() == 0) {
    const at::TensorOptions floats = request.levels[0].deltas.options();
    return {at::empty({0, 5}, floats), at::empty({0}, floats),
            at::empty({0}, floats.dtype(at::kLong))};
  }
  const at::Tensor images = CopyImages(request.images, request.levels[0].deltas);
  const Proposals packed = Packed(Propose(request, images, [](const DeviceProposalWork& work) {
    return LaunchProposals(work, CurrentStream());
  }));
  return {packed.rois, packed.scores, packed.counts};
}

// The sizes stay on the device: nothing waits for it.
ProposalTensors CountedProposalsOnCuda(at::TensorList logits, at::TensorList deltas,
                                       at::TensorList anchors, const at::Tensor& image_info,
                                       c10::string_view objectness, int64_t pre_nms_top_n,
                                       int64_t post_nms_top_n, double nms_iou_threshold,
                                       bool nms_suppress_equal, double min_side_px,
                                       bool drop_small_before_top_n, at::ArrayRef<double> weights,
                                       at::ArrayRef<double> mean, at::ArrayRef<double> stddev,
                                       double max_log_scale, bool inclusive, bool exact_inverse) {
  ProposalRequest request = ReadCountedProposalRequest(
      logits, deltas, anchors, image_info, objectness, pre_nms_top_n, post_nms_top_n,
      nms_iou_threshold, nms_suppress_equal, min_side_px, drop_small_before_top_n, weights, mean,
      stddev, max_log_scale, inclusive, exact_inverse);
  const c10::cuda::CUDAGuard guard(image_info.device());
  MakeReadable(request);
  const at::Tensor sizes = image_info.detach().contiguous();
  const int64_t bytes = request.batch() * static_cast<int64_t>(sizeof(ProposalImage));
  const at::Tensor images = at::empty({bytes}, sizes.options().dtype(at::kByte));
  const ReadProposalImage read = {sizes.data_ptr<float>(), min_side_px,
                                  reinterpret_cast<ProposalImage*>(images.data_ptr<uint8_t>())};
  const Results found = Propose(request, images, [&read](const DeviceProposalWork& work) {
    return LaunchProposals(read, work, CurrentStream());
  });
  return {found.rois, found.scores, found.counts};
}

TORCH_LIBRARY_IMPL(rcnn, CUDA, m) {
  m.impl("proposals.sizes", &ProposalsOnCuda);
  m.impl("counted_proposals", &CountedProposalsOnCuda);
}

}  // namespace
}  // namespace rcnn::ops
