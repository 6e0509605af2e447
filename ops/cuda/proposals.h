// Launches of the kernels of region_proposals.h on the GPU.

#ifndef RCNN_OPS_CUDA_PROPOSALS_H_
#define RCNN_OPS_CUDA_PROPOSALS_H_

#include <cuda_runtime_api.h>

#include "rcnn/ops/kernels/region_proposals.h"

namespace rcnn::ops {

// Rows have a few thousand candidates, so slabs are smaller than those of nms.h and all rows are
// suppressed at once: 2 MB of masks for each.
using DeviceProposalWork = ProposalWork<4096>;

// With the images in work.rows.images.
cudaError_t LaunchProposals(const DeviceProposalWork& work, cudaStream_t stream);

// Writes the images, and then likewise.
cudaError_t LaunchProposals(const ReadProposalImage& images, const DeviceProposalWork& work,
                            cudaStream_t stream);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_CUDA_PROPOSALS_H_
