#include "rcnn/base/autocast_scope.h"

#include <ATen/autocast_mode.h>

#include "rcnn/base/libtorch_version.h"

namespace rcnn {
namespace {

#if RCNN_LIBTORCH_2

bool IsEnabled(c10::DeviceType device) { return at::autocast::is_autocast_enabled(device); }

void SetEnabled(c10::DeviceType device, bool on) { at::autocast::set_autocast_enabled(device, on); }

c10::ScalarType Type(c10::DeviceType device) { return at::autocast::get_autocast_dtype(device); }

void SetType(c10::DeviceType device, c10::ScalarType type) {
  at::autocast::set_autocast_dtype(device, type);
}

#else

bool IsEnabled(c10::DeviceType device) {
  return device == c10::DeviceType::CPU ? at::autocast::is_cpu_enabled()
                                        : at::autocast::is_enabled();
}

void SetEnabled(c10::DeviceType device, bool on) {
  device == c10::DeviceType::CPU ? at::autocast::set_cpu_enabled(on)
                                 : at::autocast::set_enabled(on);
}

c10::ScalarType Type(c10::DeviceType device) {
  return device == c10::DeviceType::CPU ? at::autocast::get_autocast_cpu_dtype()
                                        : at::autocast::get_autocast_gpu_dtype();
}

void SetType(c10::DeviceType device, c10::ScalarType type) {
  device == c10::DeviceType::CPU ? at::autocast::set_autocast_cpu_dtype(type)
                                 : at::autocast::set_autocast_gpu_dtype(type);
}

#endif

}  // namespace

AutocastScope::AutocastScope(c10::DeviceType device, c10::ScalarType type)
    : device_(device), was_enabled_(IsEnabled(device)), previous_type_(Type(device)) {
  SetType(device, type);
  SetEnabled(device, true);
  at::autocast::increment_nesting();
}

AutocastScope::~AutocastScope() {
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  SetEnabled(device_, was_enabled_);
  SetType(device_, previous_type_);
}

c10::optional<c10::ScalarType> AutocastType(c10::DeviceType device) {
  if (!IsEnabled(device)) return c10::nullopt;
  return Type(device);
}

UncachedAutocastScope::UncachedAutocastScope()
    : was_cached_(at::autocast::is_autocast_cache_enabled()) {
  at::autocast::set_autocast_cache_enabled(false);
}

UncachedAutocastScope::~UncachedAutocastScope() {
  at::autocast::set_autocast_cache_enabled(was_cached_);
}

OwnAutocastCacheScope::OwnAutocastCacheScope() { at::autocast::clear_cache(); }

OwnAutocastCacheScope::~OwnAutocastCacheScope() { at::autocast::clear_cache(); }

}  // namespace rcnn
