#include "rcnn/data/image/image.h"

#include <algorithm>

namespace rcnn::data {

Image Image::Clone() const {
  Image copy(height_, width_);
  std::copy_n(data(), size_bytes(), copy.data());
  return copy;
}

}  // namespace rcnn::data
