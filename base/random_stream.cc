#include "rcnn/base/random_stream.h"

#include <ATen/CPUGeneratorImpl.h>

namespace rcnn {

at::Generator MakeGenerator(const StreamKey& key) {
  return at::detail::createCPUGenerator(StreamSeed(key));
}

}  // namespace rcnn
