#include "rcnn/base/random_stream.h"

#include <ATen/CPUGeneratorImpl.h>

#include <mutex>

namespace rcnn {

at::Generator MakeGenerator(const StreamKey& key) {
  return at::detail::createCPUGenerator(StreamSeed(key));
}

uint64_t DrawKey(at::Generator generator, absl::string_view purpose) {
  // A copy, as check_generator keeps nothing alive.
  auto* const draws = at::check_generator<at::CPUGeneratorImpl>(generator);
  const std::lock_guard<std::mutex> lock(draws->mutex_);
  StreamKey key;
  key.seed = draws->current_seed();
  key.step = static_cast<int64_t>(draws->random64());
  key.purpose = purpose;
  return StreamSeed(key);
}

}  // namespace rcnn
