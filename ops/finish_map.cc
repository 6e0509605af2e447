#include "rcnn/ops/finish_map.h"

#include <atomic>
#include <cstdint>

namespace rcnn::ops {
namespace {

// Of a map; kernels compute with numbers of 32 bits.
constexpr int64_t kMaxElements = int64_t{1} << 32;

std::atomic<const MapFinisher*>& Finisher() {
  static std::atomic<const MapFinisher*> finisher = nullptr;
  return finisher;
}

bool IsChannelsLast(const at::Tensor& map) {
  return map.dim() == 4 && map.is_contiguous(at::MemoryFormat::ChannelsLast);
}

bool HasKernel(at::ScalarType type) {
  return type == at::kFloat || type == at::kDouble || type == at::kHalf || type == at::kBFloat16;
}

}  // namespace

bool SetMapFinisher(const MapFinisher* finisher) {
  Finisher() = finisher;
  return true;
}

const MapFinisher* FindMapFinisher(c10::DeviceType device) {
  const MapFinisher* const finisher = Finisher();
  return finisher != nullptr && finisher->device == device ? finisher : nullptr;
}

bool CanFinishMap(const at::Tensor& map, const at::Tensor& add) {
  if (FindMapFinisher(map.device().type()) == nullptr || !IsChannelsLast(map) ||
      !HasKernel(map.scalar_type()) || map.numel() >= kMaxElements) {
    return false;
  }
  return !add.defined() || (IsChannelsLast(add) && add.sizes() == map.sizes() &&
                            add.scalar_type() == map.scalar_type() && add.device() == map.device());
}

}  // namespace rcnn::ops
