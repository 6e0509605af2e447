#include "rcnn/base/batch_memory.h"

#include <c10/util/Exception.h>

#include "absl/strings/str_cat.h"

namespace rcnn {

std::string DescribeBatch(c10::IntArrayRef images) {
  TORCH_CHECK(images.size() == 4, "images: expected [B, C, H, W], got ", images);
  return absl::StrCat(images[0], images[0] == 1 ? " image of " : " images of ", images[2], " x ",
                      images[3], " pixels");
}

absl::Status WithBatch(const absl::Status& status, const c10::Device& device,
                       c10::IntArrayRef images, absl::string_view advice) {
  if (!absl::IsResourceExhausted(status)) return status;
  return absl::ResourceExhaustedError(absl::StrCat("not enough memory on ", device.str(), " for ",
                                                   DescribeBatch(images), ": ", status.message(),
                                                   "; ", advice));
}

}  // namespace rcnn
