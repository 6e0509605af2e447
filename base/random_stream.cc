#include "rcnn/base/random_stream.h"

#include <ATen/CPUGeneratorImpl.h>

#include <mutex>
#include <utility>

namespace rcnn {

at::Generator MakeGenerator(const StreamKey& key) {
  return at::detail::createCPUGenerator(StreamSeed(key));
}

uint64_t DrawBits(at::Generator generator) {
  auto* const draws = at::check_generator<at::CPUGeneratorImpl>(std::move(generator));
  const std::lock_guard<std::mutex> lock(draws->mutex_);
  return draws->random64();
}

}  // namespace rcnn
