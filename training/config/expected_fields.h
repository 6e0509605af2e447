// The fields that a published experiment has, as its source gives them, for tests that compare the
// experiment's file with them.
//
// Example:
//   ExpectedFields f;
//   f.Set("model.rpn.num_convs", 1);
//   const std::vector<std::string> defects = FieldDefects(config, f);

#ifndef RCNN_TRAINING_CONFIG_EXPECTED_FIELDS_H_
#define RCNN_TRAINING_CONFIG_EXPECTED_FIELDS_H_

#include <string>
#include <vector>

#include "rcnn/configs/experiment.pb.h"
#include "rcnn/training/config/message_fields.h"

namespace rcnn::training {

// Path to value, as written by AddMessageFields: "model.rpn.num_convs", "stages[0].name".
class ExpectedFields {
 public:
  // Enums and messages: "HALF_TO_EVEN", "{}".
  void Set(const std::string& path, const std::string& value) { fields_[path] = value; }
  void Set(const std::string& path, const char* value) { fields_[path] = value; }
  void Set(const std::string& path, int value);
  void Set(const std::string& path, double value);
  void Set(const std::string& path, const std::vector<double>& values);
  void SetBool(const std::string& path, bool value) { Set(path, value ? "true" : "false"); }
  // A string, which is quoted.
  void SetText(const std::string& path, const std::string& value);

  const FieldMap& map() const { return fields_; }
  // Whether the field itself, or something in it, is expected.
  bool Holds(const std::string& path) const;

 private:
  FieldMap fields_;
};

// A sentence for each expected field that is absent or has another value, written or by default,
// and for each field that `config` writes and that is not expected, pretrained.hint aside. Numbers
// are compared as numbers: 1e-3 is 0.001.
std::vector<std::string> FieldDefects(const configs::ExperimentConfig& config,
                                      const ExpectedFields& expected);

// The dataset at `path`, "data.train": the annotations and images of COCO's `part`, "train2014",
// with its crowds handled as in `crowd`, a value of the field of that name.
void SetCoco(ExpectedFields& f, const std::string& path, const std::string& part,
             const char* crowd);

// Stage `index`, which evaluates the test data with the RPN and the detector of these stages.
void SetFinal(ExpectedFields& f, int index, const std::string& rpn, const std::string& detector);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_CONFIG_EXPECTED_FIELDS_H_
