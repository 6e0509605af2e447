#include "rcnn/training/stages/propose_all.h"

#include <ATen/ATen.h>

#include <utility>
#include <vector>

#include "rcnn/data/loader/batch.h"
#include "rcnn/detection/batch_map.h"
#include "rcnn/detection/graphed_network.h"
#include "rcnn/detection/module_device.h"
#include "rcnn/detection/targets.h"
#include "rcnn/training/stages/image_groups.h"
#include "rcnn/training/stages/image_passage.h"
#include "rcnn/training/trainer/batch_targets.h"

namespace rcnn::training {
namespace {

using detection::FasterRcnn;

// `mirrored`: of the mirror images.
std::vector<InferredProposals> ProposeBatch(const FasterRcnn& model,
                                            detection::GraphedNetwork& graphed,
                                            const configs::ProposalsConfig& limits,
                                            const InferenceOptions& options, bool mirrored,
                                            data::Batch& batch) {
  const detection::InputSizes sizes = MakeInputSizes(batch);
  if (options.features != nullptr) {
    if (mirrored) MirrorInputs(batch.images, batch);
    return SplitProposals(model.Propose(options.features->Maps(batch), sizes, limits), batch);
  }
  TORCH_CHECK(model.rpn() != nullptr, "this model has no rpn");
  const at::Device device = detection::ModuleDevice(model);
  const detection::BatchMap images = graphed.WithinMemory([&] {
    detection::BatchMap made = MakeInputs(batch, device);
    if (mirrored) MirrorInputs(made, batch);
    return made;
  });
  return graphed.WithinMemory([&] {
    return SplitProposals(model.rpn()->Propose(graphed.Forward(images).rpn, sizes, limits), batch);
  });
}

}  // namespace

absl::Status ProposeAll(const FasterRcnn& model, std::shared_ptr<const data::Dataset> dataset,
                        const configs::ProposalsConfig& limits, const InferenceOptions& options,
                        int64_t first, bool mirrored,
                        absl::FunctionRef<absl::Status(const InferredProposals&)> take) {
  if (options.started) options.started(first);
  const bool has_features = options.features != nullptr;
  ImagePassage passage;
  passage.device = detection::ModuleDevice(model);
  passage.first = first;
  // Images are mirrored here, after resizing; those with features by the CPU.
  passage.keep_bytes = !passage.device.is_cpu() && !(mirrored && has_features);
  if (!mirrored) passage.needs_pixels = PixelsNeeded(options.features);
  passage.one_by_one = has_features;
  detection::GraphedNetwork graphed(model, options.max_graphs);
  return PassImages(
      std::move(dataset), model.config(), passage, options,
      [&](data::Batch& batch) {
        std::vector<InferredImage> images;
        for (InferredProposals& found :
             ProposeBatch(model, graphed, limits, options, mirrored, batch)) {
          images.push_back({{}, std::move(found)});
        }
        return images;
      },
      [&](InferredImage& image) { return take(image.proposals); });
}

}  // namespace rcnn::training
