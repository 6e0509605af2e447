#include "rcnn/ops/cuda/launch.h"
#include "rcnn/ops/cuda/proposals.h"

namespace rcnn::ops {

cudaError_t LaunchProposals(const DeviceProposalWork& work, cudaStream_t stream) {
  CudaLauncher launch(stream);
  ProposeRegions(launch, work);
  return launch.error();
}

cudaError_t LaunchProposals(const ReadProposalImage& images, const DeviceProposalWork& work,
                            cudaStream_t stream) {
  CudaLauncher launch(stream);
  LaunchForEach(launch, work.num_images, images);
  ProposeRegions(launch, work);
  return launch.error();
}

}  // namespace rcnn::ops
